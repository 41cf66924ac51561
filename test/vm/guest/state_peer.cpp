// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A peer of an ivshmem-v2 device, which has a state and a section of the memory that it alone may
// write.

#include "probe.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <stdexcept>
#include <string_view>

#include <poll.h>

namespace {

using probe::number;
using probe::say;
using probe::words;

constexpr const char* usage = R"(Usage: state-peer COMMAND DEVICE [ARGUMENT]...
Uses the states and the sections of an ivshmem-v2 device, for tests.

  info                   print the facts, and the states that are not 0
  hold STATE [fill]      have a state, and report those of others, until SIGTERM;
                         fill: fill the own section first. SIGUSR1: write the
                         state again, print how that went and, if it did, which
                         sections are still filled
  write TEXT             write a text to the own section
  read PEER              print the text in a peer's section
  bounce PEER RINGS      ring and be rung in turns, waiting for interrupts only

An error is "error CATEGORY NUMBER MESSAGE".
Exit codes: 0 done, 1 not as promised, 2 bad options, 3 an error of the library.
)";

constexpr std::size_t longest_text = 64;

void info(ivshmem::device& dev, const words& /*args*/) {
    say("id: %u", unsigned{dev.id()});
    say("max peers: %u", dev.max_peers());
    say("protocol: %u", unsigned{dev.protocol().value()});
    say("vectors: %u", dev.vectors());
    say("interrupts: %u", dev.capabilities().interrupts);
    say("read/write: %zu", dev.memory().size());
    say("output: %zu", dev.output_section().size());
    say("own state: %u", dev.state());
    for (std::uint32_t peer = 0; peer < dev.max_peers(); ++peer)
        if (const auto state = dev.peer_state(peer); state != 0)
            say("state %u: %u", peer, state);
}

/// The word at an index of a peer's filled section.
std::uint64_t filling(std::uint32_t peer, std::size_t index) {
    return (std::uint64_t{peer} + 1) * 0x9e3779b97f4a7c15 + index;
}

void fill(ivshmem::device& dev) {
    const auto section = dev.output_section();
    for (std::size_t at = 0; at + 8 <= section.size(); at += 8) {
        const auto word = filling(dev.id(), at / 8);
        std::memcpy(&section[at], &word, sizeof word);
    }
}

bool is_filled(const ivshmem::device& dev, std::uint32_t peer) {
    const auto section = dev.output_section(peer);
    for (std::size_t at = 0; at + 8 <= section.size(); at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, &section[at], sizeof word);
        if (word != filling(peer, at / 8))
            return false;
    }
    return true;
}

/// Prints the state and the section of each peer that has a state.
void check(const ivshmem::device& dev) {
    std::string line = "checked:";
    for (std::uint32_t peer = 0; peer < dev.max_peers(); ++peer)
        if (const auto state = dev.peer_state(peer); state != 0)
            line += " " + std::to_string(peer) + "=" + std::to_string(state) +
                    (is_filled(dev, peer) ? " whole" : " broken");
    say("%s", line.c_str());
}

void hold(ivshmem::device& dev, const words& args) {
    boost::asio::io_context io;
    boost::asio::signal_set signals{io, SIGTERM, SIGUSR1};
    ivshmem::asio::device_events events{io, dev};
    const auto report = [&](std::uint32_t peer) {
        say("state %u %u", peer, dev.peer_state(peer));
    };
    const auto listen = [&](auto& again) -> void {
        events.async_next([&](boost::system::error_code ec, ivshmem::event got) {
            if (ec == boost::asio::error::operation_aborted)
                return;
            if (ec)
                throw std::system_error{ec, "events"};
            if (got.type == ivshmem::event::kind::state_changed)
                report(got.peer);
            again(again);
        });
    };
    const auto obey = [&](auto& again) -> void {
        signals.async_wait([&](boost::system::error_code ec, int signal) {
            if (ec)
                return;
            if (signal == SIGTERM)
                return io.stop();
            std::error_code failed;
            const auto own = dev.state(failed);
            if (!failed)
                dev.set_state(own, failed);
            probe::report("set", failed);
            if (!failed)
                check(dev);
            again(again);
        });
    };
    if (args.size() > 1)
        fill(dev);
    dev.set_state(number(args, 0, 1));
    say("holds %u", dev.state());
    for (const auto peer : dev.peers())
        report(peer);
    listen(listen);
    obey(obey);
    io.run();
}

void write(ivshmem::device& dev, const words& args) {
    const auto section = dev.output_section();
    std::string text = args.at(0);
    text.resize(longest_text);
    std::memcpy(section.data(), text.data(), text.size());
}

void read(ivshmem::device& dev, const words& args) {
    std::string text(longest_text, '\0');
    std::memcpy(text.data(), dev.output_section(number(args, 0, 0)).data(), text.size());
    say("%s", text.c_str());
}

/// Two peers that ring each other in turns, some times each. The number of finished turns is the
/// first word of a peer's section.
class bouncer {
  public:
    bouncer(ivshmem::device& dev, std::uint32_t peer)
        : dev_{dev}, peer_{peer}, mine_{own_word(dev.output_section())},
          theirs_{word(dev.output_section(peer))} {}

    void run(std::uint32_t rings) {
        mine_ = 0;
        dev_.set_state(1);
        // A change of the state is a ring of vector 0.
        while (dev_.peer_state(peer_) != 1)
            dev_.wait(0, patience);
        std::uint32_t rung = 0;
        for (std::uint32_t turn = 1; rung < rings; ++turn) {
            const std::uint32_t count = 1 + turn % 3;
            const bool even = turn % 2 == 0;
            if (even == (dev_.id() < peer_))
                ring(turn, rung, count);
            else
                hear(turn);
            rung += count;
        }
        say("bounced %u", rings);
    }

  private:
    static constexpr std::chrono::seconds patience{60};

    static volatile std::uint32_t& own_word(std::span<std::byte> section) {
        return *reinterpret_cast<volatile std::uint32_t*>(section.data());
    }
    static const volatile std::uint32_t& word(std::span<const std::byte> section) {
        return *reinterpret_cast<const volatile std::uint32_t*>(section.data());
    }

    /// Rings a few times; only the last ring has something to announce. Those before it come while
    /// the other peer takes interrupts and enables them again.
    void ring(std::uint32_t turn, std::uint32_t rung, std::uint32_t count) {
        const std::uint32_t vectors = std::max(dev_.vectors(), 1U);
        for (std::uint32_t i = 0; i < count; ++i) {
            if (i + 1 == count)
                mine_ = turn;
            dev_.ring(peer_, (rung + i) % vectors);
        }
    }

    /// Waits for the interrupt that announces a turn. If one is lost, no other follows.
    void hear(std::uint32_t turn) {
        while (true) {
            while (dev_.take_any())
                ;
            std::atomic_thread_fence(std::memory_order_acquire);
            if (theirs_ == turn)
                return;
            pollfd waiting{dev_.any_interrupt_fd(), POLLIN, 0};
            if (::poll(&waiting, 1, static_cast<int>(patience.count()) * 1000) == 0)
                throw std::runtime_error{"the interrupt of turn " + std::to_string(turn) +
                                         " is lost: the peer says " + std::to_string(theirs_)};
        }
    }

    ivshmem::device& dev_;
    std::uint32_t peer_;
    volatile std::uint32_t& mine_;
    const volatile std::uint32_t& theirs_;
};

void bounce(ivshmem::device& dev, const words& args) {
    bouncer{dev, number(args, 0, 0)}.run(number(args, 1, 1));
}

int run(words args) {
    constexpr std::pair<std::string_view, void (*)(ivshmem::device&, const words&)> commands[]{
        {"info", info}, {"hold", hold}, {"write", write}, {"read", read}, {"bounce", bounce},
    };
    for (const auto& [name, act] : commands) {
        if (args.size() < 2 || args[0] != name)
            continue;
        auto dev = ivshmem::device::open(args[1]);
        args.erase(args.begin(), args.begin() + 2);
        act(dev, args);
        return 0;
    }
    std::fputs(usage, stderr);
    return 2;
}

int failed(const std::error_code& ec, const char* what) {
    say("error %s %d %s", ec.category().name(), ec.value(), what);
    return 3;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run({argv + 1, argv + argc});
    } catch (const std::system_error& e) {
        return failed(e.code(), e.what());
    } catch (const std::exception& e) {
        say("failed: %s", e.what());
        return 1;
    }
}
