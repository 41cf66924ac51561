// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "connections/address.hpp"
#include "connections/backend.hpp"
#include "connections/child.hpp"
#include "connections/service.hpp"
#include "number.hpp"
#include "open_device.hpp"
#include "peers/claim_slot.hpp"
#include "peers/memory_use.hpp"
#include "subcommands.hpp"

#include <boost/asio.hpp>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <sys/wait.h>
#include <unistd.h>

namespace ivshmemctl {
namespace {

namespace net = boost::asio;

struct offer_options {
    std::string service;
    std::vector<std::string> command;
    std::optional<connections::address> to{}; ///< instead of a command
    std::string allowed;                      ///< slots, as in 1,2; empty: all
    std::optional<std::uint64_t> connections{};
    slot_choice place{};
};

/// What is done with the connections of peers.
class offering {
  public:
    offering(net::io_context& io, const common_options& common, const offer_options& asked)
        : io_{io}, asked_{asked}, most_{static_cast<std::uint32_t>(asked.connections.value_or(
                                      connections::limits{}.connections))},
          verbose_{common.verbosity > 0 && !common.quiet} {
        if (asked.to)
            to_.emplace(io.get_executor(), *asked.to, most_, complain);
    }

    /// Takes the statuses of children that have ended.
    void reap(net::signal_set& ended) {
        ended.async_wait([this, &ended](const boost::system::error_code& ec, int) {
            if (ec)
                return;
            int status = 0;
            for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
                children_.erase(pid);
                if (verbose_ && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
                    complain(WIFEXITED(status) ? tools::format("process {} exited with status {}",
                                                               pid, WEXITSTATUS(status))
                                               : tools::format("process {} was ended by signal {}",
                                                               pid, WTERMSIG(status)));
            }
            reap(ended);
        });
    }

    connections::service::hooks hooks() {
        return {[this](const connections::carrier_ptr& from, std::uint32_t id) {
                    if (asked_.to)
                        join_address(from, id);
                    else if (asked_.command.empty())
                        join_streams(from, id);
                    else
                        join_command(from, id);
                },
                [](const std::string& line) { complain(line); },
                [this] {
                    if (finished_)
                        io_.stop();
                }};
    }
    [[nodiscard]] int status() const { return status_; }

  private:
    connections::carrier::on_end log_end(std::uint32_t slot, std::uint32_t id,
                                         std::function<void(const connections::ending&)> then) {
        return [this, slot, id, then = std::move(then)](const connections::ending& how) {
            if (verbose_)
                complain(tools::format(
                    "{}: connection {} of slot {}: {} bytes sent, {} received; {}", asked_.service,
                    id, slot, how.sent, how.received, connections::text_of(how)));
            if (then)
                then(how);
        };
    }
    void join_address(const connections::carrier_ptr& from, std::uint32_t id) {
        to_->join(asked_.service, from, id, log_end(from->peer_slot(), id, {}));
    }
    void join_command(const connections::carrier_ptr& from, std::uint32_t id) {
        // A process may outlive its connection, and a peer can end that at once.
        const auto is_of_peer = [&](const auto& child) {
            return child.second == from->peer_slot();
        };
        if (std::count_if(children_.begin(), children_.end(), is_of_peer) >= most_)
            return from->refuse(id, connections::reason::too_many);
        try {
            const auto started =
                connections::start_child(asked_.command, asked_.service, from->peer_slot());
            children_.emplace(started.pid, from->peer_slot());
            if (verbose_)
                complain(tools::format("{}: connection {} of slot {}: process {}", asked_.service,
                                       id, from->peer_slot(), started.pid));
            from->join(id, connections::end_point::of_socket(io_.get_executor(), started.socket),
                       log_end(from->peer_slot(), id, {}));
        } catch (const std::system_error& e) {
            complain(asked_.service + ": " + e.what());
            from->refuse(id, connections::reason::unreachable);
        }
    }
    /// The first connection has the standard streams, and its end is that of the program.
    void join_streams(const connections::carrier_ptr& from, std::uint32_t id) {
        if (std::exchange(taken_, true))
            return from->refuse(id, connections::reason::too_many);
        from->join(
            id, connections::end_point::of_streams(io_.get_executor(), STDIN_FILENO, STDOUT_FILENO),
            log_end(from->peer_slot(), id, [this, from](const connections::ending& how) {
                const bool good = how.why == connections::reason::none;
                status_ = good ? tools::exit_success : tools::exit_failure;
                if (!good)
                    complain(asked_.service + ": " + connections::text_of(how));
                finished_ = true;
                from->end(connections::reason::stopped);
                if (from->is_over()) // the reader of the standard output was slower than the peer
                    io_.stop();
            }));
    }

    net::io_context& io_;
    const offer_options& asked_;
    std::uint32_t most_;                        ///< connections of a peer, and processes
    std::optional<connections::backend> to_{};  ///< instead of a command
    std::map<pid_t, std::uint32_t> children_{}; ///< and the slots of their peers
    bool verbose_;
    bool taken_ = false;
    bool finished_ = false; ///< the connection of the standard streams
    int status_ = tools::exit_success;
};

void explain_offer(const ivshmem::device& device, const ivshmem::asio::slot& slot,
                   const common_options& common, const offer_options& asked) {
    for (const std::uint32_t other : connections::other_offers(slot.next_layer(), asked.service))
        complain(tools::format("{}: slot {} offers it too; a peer that names no slot gets that of "
                               "the lowest one that answers",
                               asked.service, other));
    if (common.quiet)
        return;
    if (!asked.allowed.empty() && device.generation() == ivshmem::device_generation::v1)
        complain("--allow is no protection on this device: any VM of an ivshmem v1 device can pose "
                 "as any slot");
    complain(
        tools::format("{}: offering {} in slot {}", name_of(device), asked.service, slot.number()));
}

int offer(const common_options& common, const offer_options& asked) {
    if (asked.to && !asked.command.empty())
        throw usage_error{"--to: takes the place of a command; give one of them"};
    if (const auto problem = connections::why_unreachable(asked.service))
        throw usage_error{*problem};
    connections::service::options how{.name = asked.service};
    if (!asked.allowed.empty() && !connections::parse_slots(asked.allowed))
        throw usage_error{"--allow: '" + asked.allowed + '\'' +
                          std::string{connections::is_no_slot_list}};
    if (!asked.allowed.empty())
        how.allowed = connections::parse_slots(asked.allowed);
    if (asked.connections) {
        if (*asked.connections < 1 || *asked.connections > connections::most_connections)
            throw usage_error{"--connections: takes 1 to 65536"};
        how.promised.connections = static_cast<std::uint32_t>(*asked.connections);
    }
    auto device = open_with_channels(common);
    net::io_context io{1};
    net::signal_set signals{io, SIGINT, SIGTERM, SIGHUP};
    net::signal_set ended{io, SIGCHLD};
    auto slot = claim_slot_for_connections(io, device, common, asked.place);
    offering what{io, common, asked};
    connections::service serving{slot, how, what.hooks()};
    explain_offer(device, slot, common, asked);
    signals.async_wait([&](const boost::system::error_code& ec, int) {
        if (!ec)
            io.stop();
    });
    if (!asked.command.empty())
        what.reap(ended);
    net::co_spawn(io, serving.run(),
                  [&](const std::exception_ptr& failed, const boost::system::error_code& ec) {
                      if (failed)
                          std::rethrow_exception(failed);
                      if (ec)
                          throw explain_failure(device, ec);
                  });
    io.run();
    return what.status();
}

} // namespace

void add_offer(subcommands& line) {
    auto sub =
        line.add("offer", "offer a service, and join its connections to a command or a socket");
    const auto asked = std::make_shared<offer_options>();
    sub.add_option({"SERVICE", "", "its name, 1 to 59 bytes", true}, asked->service);
    sub.add_option({"COMMAND", "",
                    "after --: a command, with its arguments, that is started for each connection\n"
                    "(without it, the first connection gets standard input and output)"},
                   asked->command);
    sub.add_option(
        {"--to", "ADDRESS",
         "join each connection to this socket: tcp:HOST:PORT, tcp:[IPV6]:PORT or unix:PATH"},
        [asked](const std::string& given) {
            try {
                asked->to = connections::address::parse(given);
            } catch (const std::invalid_argument& e) {
                throw usage_error{std::string{"--to: "} + e.what()};
            }
        });
    sub.add_option({"--allow", "SLOTS", "the slots that may connect, as in 1,2 (all)"},
                   asked->allowed);
    add_number(sub, {"--connections", "COUNT", "the most connections of a peer (1024)"},
               asked->connections);
    add_slot_choice(sub, asked->place);
    sub.set_action([asked](const common_options& common) { return offer(common, *asked); });
}

} // namespace ivshmemctl
