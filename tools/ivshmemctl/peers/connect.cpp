// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "connections/search.hpp"
#include "connections/with_error.hpp"
#include "open_device.hpp"
#include "peers/claim_slot.hpp"
#include "peers/memory_use.hpp"
#include "peers/seconds.hpp"
#include "subcommands.hpp"

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

/// Returns the slots that offer the service. Fails if none does now: a program that calls this one
/// waits for an answer.
std::vector<std::uint32_t> slots_with(const ivshmem::slot& own, const connections::target& to) {
    std::error_code ec;
    const auto first = ivshmem::service_directory{own}.find_service(to.name, to.slot, ec);
    if (ec == ivshmem::errc::service_unknown)
        throw std::runtime_error{tools::format(
            "{}: {} offers it; on the other side run 'ivshmemctl offer {}', or ivshmem-forward",
            to.name,
            to.slot ? tools::format("slot {} is not there, or does not", *to.slot)
                    : std::string{"no peer"},
            to.name)};
    if (ec)
        throw ivshmem::error{ec, to.text() + ": " + ec.message()};
    auto slots = to.slot ? std::vector{first.slot} : connections::other_offers(own, to.name);
    if (slots.empty()) // it ended in between
        slots.push_back(first.slot);
    return slots;
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
    const connections::limits own{};
    time_limit timer{slot, limit};
    connections::search search{slot, to.name, slots_with(slot.next_layer(), to), own};
    co_await search.run();
    if (timer.reached())
        throw std::runtime_error{
            to.text() + ": offered, but the program that offers it does not answer; it may have "
                        "been killed, or stopped: start it again"};
    timer.end();
    const auto with = search.with();
    if (!with) {
        const auto failure = search.failure();
        if (failure.failed == ivshmem::errc::lane_in_use)
            throw std::runtime_error{to.text() + ": all lanes between the two slots are in use"};
        if (failure.failed)
            throw explain_failure(device, failure.failed);
        throw std::runtime_error{to.text() + ": " + failure.text()};
    }
    connections::ending how{.why = connections::reason::lost};
    net::steady_timer written{slot.get_executor(), net::steady_timer::time_point::max()};
    bool over = false;
    with->open(connections::end_point::of_streams(slot.get_executor(), STDIN_FILENO, STDOUT_FILENO),
               [&](const connections::ending& e) {
                   how = e;
                   over = true;
                   written.cancel();
                   with->end(connections::reason::stopped);
               });
    const auto end = co_await search.end();
    while (!over) // the reader of the standard output is slower than the peer
        co_await written.async_wait(connections::with_error);
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
