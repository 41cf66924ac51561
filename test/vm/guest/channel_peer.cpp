// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A peer that uses channels, or disturbs peers that do.

#include "channel_peer.hpp"

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string_view>

namespace channel_peer {

namespace {

constexpr const char* usage =
    R"(Usage: channel-peer [OPTION]... COMMAND DEVICE SLOT [ARGUMENT]...
       channel-peer [OPTION]... storm|scribble DEVICE ...
Uses channels with other peers, or disturbs peers that do, for tests.

  claim                        claim the slot, and give it back
  hold                         claim the slot; these end with SIGTERM:
  serve PEER                   check numbered messages, send them back, report
                               the channel's events, reopen it
  take PEER                    the same, but send nothing back
  idle PEER                    connect, and receive nothing
  echo PEER COUNT [SECONDS]    send numbered messages, check what comes back;
                               COUNT 0: as many as the time allows
  send PEER COUNT [SECONDS]    the same, but nothing comes back
  pend PEER                    have all sorts of operations under way on a vfio
                               device until it is removed
  storm ID VECTORS SECONDS     ring vectors of a peer as fast as possible
  scribble SECONDS             write random words all over the memory

  -m MODE                 insist on write-back, write-combining or uncached
  -b BACKEND              insist on vfio, uio or server
  -n VECTORS              server: how many this process will have
  -g SLOTS,LANES,RING     insist on a geometry
  -f                      forget peers with another geometry or version
  -c MILLISECONDS         the claim time
  -v VECTOR               the vector of the slot
  -h MILLISECONDS         beat, and watch peers that do
  -l LANE                 the lane of the channel, 0 by default
  -p                      poll: the peer need not ring
  -u                      take messages unchecked: others write to the memory
  -t                      count the ticks of a timer of 10 ms meanwhile

An error is "error CATEGORY NUMBER MESSAGE".
Exit codes: 0 done, 1 not as promised, 2 bad options, 3 an error of the library.
)";

[[noreturn]] void bad_usage() {
    std::fputs(usage, stderr);
    std::exit(2);
}

void hold(place& at, const words& /*args*/) {
    at.run();
}

struct command {
    std::string_view name;
    void (*run)(place&, const words&);
};

constexpr std::array commands{
    command{"claim",
            [](place&, const words&) {
            }},
    command{"hold", hold},
    command{"serve", serve},
    command{"take", take},
    command{"idle", idle},
    command{"echo", echo},
    command{"send", send},
    command{"pend", pend},
};

ivshmem::cache_mode parse_mode(const std::string& text) {
    using ivshmem::cache_mode;
    for (const auto mode :
         {cache_mode::write_back, cache_mode::write_combining, cache_mode::uncached})
        if (to_string(mode) == text)
            return mode;
    bad_usage();
}

ivshmem::region_geometry parse_geometry(const std::string& text) {
    ivshmem::region_geometry parsed;
    if (std::sscanf(text.c_str(), "%u,%u,%u", &parsed.slots, &parsed.lanes, // NOLINT(cert-err34-c)
                    &parsed.ring_size) != 3)
        bad_usage();
    return parsed;
}

/// Removes the options from the front.
settings parse(words& args) {
    settings how;
    std::size_t at = 0;
    const auto value = [&] {
        if (++at >= args.size())
            bad_usage();
        return args[at];
    };
    const auto value_number = [&] {
        return static_cast<std::uint32_t>(std::stoul(value()));
    };
    for (; at < args.size() && args[at].starts_with('-'); ++at) {
        const std::string option = args[at];
        if (option == "-m")
            how.device.cache = parse_mode(value());
        else if (option == "-b")
            how.device.backend = ivshmem::parse_backend(value());
        else if (option == "-n")
            how.device.vectors = value_number();
        else if (option == "-g")
            how.slot.geometry = parse_geometry(value());
        else if (option == "-f")
            how.slot.reformat = true;
        else if (option == "-c")
            how.slot.claim_time = std::chrono::milliseconds{value_number()};
        else if (option == "-h")
            how.slot.heartbeat = std::chrono::milliseconds{value_number()};
        else if (option == "-v")
            how.slot.vector = static_cast<std::uint16_t>(value_number());
        else if (option == "-l")
            how.lane = value_number();
        else if (option == "-p")
            how.channel.polling = true;
        else if (option == "-u")
            how.checked = false;
        else if (option == "-t")
            how.ticks = true;
        else
            bad_usage();
    }
    args.erase(args.begin(), args.begin() + static_cast<std::ptrdiff_t>(at));
    if (args.size() < 3)
        bad_usage();
    return how;
}

/// A timer that measures the delay of the event loop.
struct ticker {
    using clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds period{10};

    explicit ticker(boost::asio::io_context& io) : timer{io, clock::now()} { wait(); }
    ~ticker() {
        const std::chrono::duration<double> ran = clock::now() - began;
        const std::chrono::duration<double, std::milli> late = latest;
        say("ticks: %u in %.1f s, the latest %.1f ms late", count, ran.count(), late.count());
    }
    void wait() {
        timer.expires_at(std::max(timer.expiry() + period, clock::now()));
        timer.async_wait([this](boost::system::error_code ec) {
            if (ec)
                return;
            ++count;
            latest = std::max(latest, clock::now() - timer.expiry());
            wait();
        });
    }

    boost::asio::steady_timer timer;
    clock::time_point began = clock::now();
    clock::duration latest{};
    unsigned count = 0;
};

int run(words args) {
    settings how = parse(args);
    const auto name = args[0];
    const auto* const known = std::find_if(commands.begin(), commands.end(),
                                           [&](const command& c) { return c.name == name; });
    if (known == commands.end() && name != "storm" && name != "scribble")
        bad_usage();
    auto dev = ivshmem::device::open(args[1], how.device);
    args.erase(args.begin(), args.begin() + 2);
    if (known == commands.end()) {
        (name == "storm" ? storm : scribble)(dev, args);
        return 0;
    }
    how.slot.number = number(args, 0, 0);
    args.erase(args.begin());
    place at{dev, how};
    known->run(at, args);
    return 0;
}

} // namespace

place::place(ivshmem::device& of, const settings& given)
    : device{of}, how{given}, slot{io, of, given.slot} {
    const auto& claimed = slot.next_layer();
    const auto& geometry = claimed.geometry();
    say("backend: %s", device.description().c_str());
    say("mode: %s", std::string{to_string(device.memory().mode())}.c_str());
    say("interrupts: %u", device.capabilities().interrupts);
    say("id: %u", unsigned{device.id()});
    say("geometry: %u,%u,%u", geometry.slots, geometry.lanes, geometry.ring_size);
    say("incarnation: %u", claimed.incarnation());
    say("slot: %u", claimed.number());
}

ivshmem::asio::channel place::open(const words& args) {
    return {slot, number(args, 0, 0), how.lane, how.channel};
}

void place::run() {
    boost::asio::signal_set end{io, SIGTERM};
    end.async_wait([this](boost::system::error_code ec, int) {
        if (!ec)
            stop();
    });
    std::optional<ticker> ticks;
    if (how.ticks)
        ticks.emplace(io);
    io.run();
}

} // namespace channel_peer

namespace {

int failed(const std::error_code& ec, const char* what) {
    channel_peer::say("error %s %d %s", ec.category().name(), ec.value(), what);
    return 3;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return channel_peer::run({argv + 1, argv + argc});
    } catch (const std::system_error& e) {
        return failed(e.code(), e.what());
    } catch (const boost::system::system_error& e) { // of an operation
        return failed(e.code(), e.what());
    } catch (const std::exception& e) {
        channel_peer::say("failed: %s", e.what());
        return 1;
    }
}
