// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "connections/service.hpp"
#include "open_device.hpp"
#include "peers/claim_slot.hpp"
#include "peers/memory_use.hpp"
#include "peers/seconds.hpp"
#include "peers/with_error.hpp"
#include "subcommands.hpp"

#include <ivshmem/asio/connect.hpp>
#include <ivshmem/service_directory.hpp>

#include <boost/asio.hpp>

#include <csignal>
#include <exception>
#include <memory>
#include <stdexcept>

#include <unistd.h>

namespace ivshmemctl {
namespace {

namespace net = boost::asio;

struct connect_options {
    std::string service;
    std::optional<std::chrono::nanoseconds> timeout{};
    slot_choice place{};
};

/// Fails if no peer offers the service now: a program that calls this one waits for an answer.
void require_service(const ivshmem::slot& own, const connections::target& to) {
    std::error_code ec;
    static_cast<void>(ivshmem::service_directory{own}.find_service(to.name, to.slot, ec));
    if (ec == ivshmem::errc::service_unknown)
        throw std::runtime_error{tools::format(
            "{}: {} offers it; on the other side run 'ivshmemctl offer {}', or ivshmem-forward",
            to.name,
            to.slot ? tools::format("slot {} is not there, or does not", *to.slot)
                    : std::string{"no peer"},
            to.name)};
    if (ec)
        throw ivshmem::error{ec, to.text() + ": " + ec.message()};
}

/// Closes the slot, which ends all that waits, if the service does not answer in time.
class time_limit {
  public:
    time_limit(ivshmem::asio::slot& of, std::chrono::nanoseconds limit)
        : timer_{of.get_executor()} {
        timer_.expires_after(std::chrono::duration_cast<net::steady_timer::duration>(limit));
        timer_.async_wait([this, &of](const boost::system::error_code& ec) {
            if (ec)
                return;
            reached_ = true;
            of.close();
        });
    }
    void end() { timer_.cancel(); }
    [[nodiscard]] bool reached() const { return reached_; }

  private:
    net::steady_timer timer_;
    bool reached_ = false;
};

net::awaitable<int> talk(ivshmem::device& device, ivshmem::asio::slot& slot,
                         const common_options& common, connections::target to,
                         std::chrono::nanoseconds limit) {
    require_service(slot.next_layer(), to);
    const connections::limits own{};
    time_limit timer{slot, limit};
    const auto late = [&] {
        return std::runtime_error{
            to.text() + ": offered, but the program that offers it does not answer; it may have "
                        "been killed, or stopped: start it again"};
    };
    auto [ec, channel] = co_await ivshmem::asio::async_connect(
        slot, to.name, {.slot = to.slot, .channel = connections::channel_for(own)}, with_error);
    if (timer.reached())
        throw late();
    if (ec == ivshmem::errc::lane_in_use)
        throw std::runtime_error{to.text() + ": all lanes between the two slots are in use"};
    if (ec)
        throw explain_failure(device, ec);
    connections::ending how{.why = connections::reason::lost};
    std::shared_ptr<connections::carrier> with;
    connections::carrier::hooks hooks;
    hooks.greeted = [&] {
        timer.end();
        with->open(
            connections::end_point::of_streams(slot.get_executor(), STDIN_FILENO, STDOUT_FILENO),
            [&](const connections::ending& e) {
                how = e;
                with->end(connections::reason::stopped);
            });
    };
    with = std::make_shared<connections::carrier>(
        std::move(channel), connections::session::side::client, own, std::move(hooks));
    const auto end = co_await with->run();
    if (timer.reached())
        throw late();
    timer.end();
    if (common.verbosity > 0 && !common.quiet)
        complain(tools::format("{}: {} bytes sent, {} received; {}", to.text(), how.sent,
                               how.received, connections::text_of(how)));
    if (how.why == connections::reason::none)
        co_return tools::exit_success;
    // The end of the channel says more than that of its connection.
    throw std::runtime_error{
        to.text() + ": " +
        (how.why == connections::reason::lost || end.why != connections::reason::stopped
             ? end.text()
             : connections::text_of(how))};
}

int connect(const common_options& common, const connect_options& asked) {
    auto device = open_with_channels(common);
    net::io_context io{1};
    net::signal_set signals{io, SIGINT, SIGTERM, SIGHUP};
    auto slot = claim_slot_for_connections(io, device, common, asked.place);
    int status = tools::exit_failure;
    signals.async_wait([&](const boost::system::error_code& ec, int) {
        if (!ec)
            io.stop();
    });
    net::co_spawn(io,
                  talk(device, slot, common, connections::target::parse(asked.service),
                       asked.timeout.value_or(std::chrono::seconds{10})),
                  [&](const std::exception_ptr& failed, int ended) {
                      if (failed)
                          std::rethrow_exception(failed);
                      status = ended;
                      io.stop();
                  });
    io.run();
    return status;
}

} // namespace

void add_connect(subcommands& line) {
    auto sub = line.add("connect", "join standard input and output to a service of a peer");
    const auto asked = std::make_shared<connect_options>();
    sub.add_option({"SERVICE", "", "its name, or NAME@SLOT for that of one slot", true},
                   asked->service);
    add_seconds(sub, {"--timeout", "SECONDS", "the time in which the service must answer (10)"},
                asked->timeout);
    add_slot_choice(sub, asked->place);
    sub.set_action([asked](const common_options& common) { return connect(common, *asked); });
}

} // namespace ivshmemctl
