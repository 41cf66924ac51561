// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "number.hpp"
#include "open_device.hpp"
#include "peers/claim_slot.hpp"
#include "peers/memory_use.hpp"
#include "peers/pinger.hpp"
#include "peers/seconds.hpp"
#include "progress.hpp"
#include "result_line.hpp"
#include "subcommands.hpp"

#include <boost/asio.hpp>
#include <boost/json.hpp>

#include <csignal>
#include <exception>
#include <memory>

namespace ivshmemctl {
namespace {

namespace net = boost::asio;
namespace json = boost::json;
using kind = pinger::outcome::kind;

struct ping_options {
    std::optional<std::uint64_t> peer{};
    std::optional<std::uint64_t> count{};
    std::optional<std::uint64_t> size{};
    std::optional<std::chrono::nanoseconds> interval{};
    std::optional<std::chrono::nanoseconds> timeout{};
    std::optional<std::chrono::nanoseconds> deadline{};
    bool flood = false;
    slot_choice place{};
};

void print_text(const pinger& by, std::size_t size, const pinger::outcome& o) {
    const double milliseconds = static_cast<double>(o.round_trip.count()) / 1e6;
    switch (o.what) {
    case kind::answered:
    case kind::late:
        put_line(tools::format("{} bytes from {}: seq={} time={:.3f} ms{}", size, by.peer_name(),
                               o.sequence, milliseconds, o.what == kind::late ? " (late)" : ""));
        break;
    case kind::unanswered:
        put_line(
            tools::format("no answer: seq={}{}{}", o.sequence, o.why.empty() ? "" : ", ", o.why));
        break;
    case kind::wrong:
        put_line(by.peer_name() + ": sent a message that is not an answer");
    }
}

void print_json(const pinger::outcome& o) {
    if (o.what == kind::wrong)
        return put_line(json::serialize(json::object{{"event", "wrong answer"}}));
    json::object line{{"seq", o.sequence}};
    if (o.what == kind::unanswered)
        line["rtt_ns"] = nullptr;
    else
        line["rtt_ns"] = o.round_trip.count();
    if (o.what == kind::late)
        line["late"] = true;
    if (!o.why.empty())
        line["reason"] = o.why;
    put_line(json::serialize(line));
}

pinger::options checked(const ivshmem::device& device, const ping_options& asked) {
    pinger::options how;
    if (asked.peer && *asked.peer > 0xffff)
        throw ivshmem::error{ivshmem::errc::peer_out_of_range,
                             tools::format("{}: there is no peer {}, only 0 to 65535",
                                           name_of(device), *asked.peer)};
    if (asked.peer && *asked.peer == device.id() && device.capabilities().ring)
        throw std::invalid_argument{tools::format(
            "{}: peer {} is this process itself; ping another peer, or try 'ivshmemctl ring self'",
            name_of(device), *asked.peer)};
    if (asked.peer)
        how.peer = static_cast<std::uint16_t>(*asked.peer);
    how.count = asked.count;
    how.interval =
        asked.flood ? std::chrono::nanoseconds{} : asked.interval.value_or(std::chrono::seconds{1});
    how.timeout = std::max<std::chrono::nanoseconds>(
        asked.timeout.value_or(std::chrono::seconds{1}), std::chrono::milliseconds{1});
    how.size = asked.size.value_or(56);
    if (how.size < shortest_ping || how.size > longest_ping)
        throw std::invalid_argument{
            tools::format("--size: takes {} to {} bytes", shortest_ping, longest_ping)};
    return how;
}

int ping(const common_options& common, const ping_options& asked) {
    auto device = open_with_channels(common);
    const auto how = checked(device, asked);
    net::io_context io{1};
    auto slot = claim_slot(io, device, common, asked.place);
    std::unique_ptr<pinger> by;
    std::function<void(const pinger::outcome&)> report;
    progress bar{common, "ping", asked.count, !asked.flood, answers};
    if (asked.flood)
        report = [&](const pinger::outcome&) {
            bar.update(by->statistics().answers());
        };
    else if (!common.quiet)
        report = [&](const pinger::outcome& o) {
            common.json ? print_json(o) : print_text(*by, how.size, o);
        };
    by = std::make_unique<pinger>(device, slot, how, report);

    net::signal_set signals{io, SIGINT, SIGTERM, SIGHUP};
    signals.async_wait([&](const boost::system::error_code& ec, int) {
        if (!ec)
            by->stop();
    });
    net::steady_timer end{io};
    if (asked.deadline) {
        end.expires_after(*asked.deadline);
        end.async_wait([&](const boost::system::error_code& ec) {
            if (!ec)
                by->stop();
        });
    }
    std::exception_ptr failed;
    net::co_spawn(io, by->run(), [&](const std::exception_ptr& e) {
        failed = e;
        io.stop();
    });
    io.run();
    bar.clear();
    if (!common.json && !common.quiet)
        put_line("--- ping statistics ---");
    put_line(common.json ? by->statistics().json() : by->statistics().text());
    if (failed)
        std::rethrow_exception(failed);
    if (by->peer_name().empty() && !by->statistics().empty())
        complain(name_of(device) + ": no peer serves; run 'ivshmemctl serve' on the other side");
    return by->statistics().answers() != 0 ? tools::exit_success : tools::exit_failure;
}

} // namespace

void add_ping(subcommands& line) {
    auto sub = line.add(
        "ping", "send messages to a peer that runs 'serve', and print the round-trip times");
    const auto asked = std::make_shared<ping_options>();
    add_number(sub, {"peer", "PEER", "the peer's id (any peer that serves)"}, asked->peer);
    add_number(sub, {"-c,--count", "N", "stop after N messages (never)"}, asked->count);
    add_seconds(sub, {"-i,--interval", "SECONDS", "the time from one message to the next (1)"},
                asked->interval);
    add_seconds(sub, {"-W,--timeout", "SECONDS", "how long to wait for each answer (1)"},
                asked->timeout);
    add_seconds(sub, {"-w,--deadline", "SECONDS", "stop after this time (never)"}, asked->deadline);
    sub.add_flag(
        "-f,--flood", asked->flood,
        "send each message as soon as the previous one is answered; print only the statistics");
    add_number(
        sub,
        {"-s,--size", "BYTES",
         tools::format("the bytes of each message, {} to {} (56)", shortest_ping, longest_ping)},
        asked->size);
    add_slot_choice(sub, asked->place);
    sub.set_action([asked](const common_options& common) { return ping(common, *asked); });
}

} // namespace ivshmemctl
