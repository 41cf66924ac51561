// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// One of the two peers of the demonstration of ivshmem-v2: goes through its states together with
// the other peer, says hello in its own section of the memory, and sends messages through a
// channel.
//
//     two-vms-v2-peer DEVICE PEER [ROUNDS]
//
// DEVICE is anything that ivshmem::selector takes; PEER is the id of the other peer. The one with
// the lower id serves the channel.

#include <ivshmem/asio.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace net = boost::asio;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

namespace {

/// The states of a peer. 0 is that of a peer that is not there.
enum state : std::uint32_t { greeting = 1, greeted, serving, finished };
constexpr const char* names[] = {"not there", "greeting", "greeted", "serving", "finished"};

constexpr auto patience = 30s;
constexpr std::size_t longest = 64;

struct peer {
    ivshmem::device device;
    std::uint32_t other;
    std::size_t rounds;

    [[nodiscard]] bool serves() const { return device.id() < other; }
};

/// Waits until the state of the other peer fulfils a condition. Each change is an event.
template <typename Condition>
net::awaitable<void> await_state(const peer& self, Condition condition) {
    using namespace net::experimental::awaitable_operators;
    const auto executor = co_await net::this_coro::executor;
    ivshmem::asio::device_events events{executor, self.device};
    net::steady_timer limit{executor, patience};
    std::uint32_t seen = 0;
    while (!condition(seen = self.device.peer_state(self.other))) {
        const auto first = co_await (events.async_next(net::use_awaitable) ||
                                     limit.async_wait(net::use_awaitable));
        if (first.index() == 1)
            throw std::runtime_error{"the other peer stays in state " + std::to_string(seen)};
    }
    std::printf("state of peer %u: %u, %s\n", self.other, seen, names[std::min(seen, 4U)]);
}

void enter(peer& self, state next) {
    self.device.set_state(next);
    std::printf("own state: %u, %s\n", next, names[next]);
}

/// Each peer writes into its own section, which no other can, and reads the other's.
net::awaitable<void> greet(peer& self) {
    auto text = "hello from " + std::to_string(self.device.id()) + ", in its own section";
    text.resize(longest);
    std::transform(text.begin(), text.end(), self.device.output_section().begin(),
                   [](char c) { return static_cast<std::byte>(c); });
    enter(self, greeting);
    co_await await_state(self, [](auto of) { return of >= greeting; });
    const auto theirs = self.device.output_section(self.other).first(longest);
    std::string got;
    for (const auto byte : theirs)
        if (byte != std::byte{})
            got.push_back(static_cast<char>(byte));
    std::printf("peer %u says: %s\n", self.other, got.c_str());
    enter(self, greeted);
    co_await await_state(self, [](auto of) { return of >= greeted; });
}

net::awaitable<void> answer(peer& self, ivshmem::asio::slot& slot) {
    ivshmem::asio::acceptor acceptor{slot, "echo"};
    enter(self, serving);
    auto channel = co_await acceptor.async_accept(net::use_awaitable);
    std::string message(longest, '\0');
    for (std::size_t i = 0; i < self.rounds; ++i) {
        const auto size = co_await channel.async_receive(net::buffer(message), net::use_awaitable);
        co_await channel.async_send(net::buffer(message, size), net::use_awaitable);
    }
    co_await channel.async_drain(net::use_awaitable);
}

net::awaitable<void> ask(peer& self, ivshmem::asio::slot& slot) {
    co_await await_state(self, [](auto of) { return of >= serving; });
    auto channel = co_await ivshmem::asio::async_connect(slot, "echo", net::use_awaitable);
    std::vector<double> microseconds;
    std::string back(longest, '\0');
    for (std::size_t i = 0; i < self.rounds; ++i) {
        const auto message = "message " + std::to_string(i);
        const auto start = clock_type::now();
        co_await channel.async_send(net::buffer(message), net::use_awaitable);
        const auto size = co_await channel.async_receive(net::buffer(back), net::use_awaitable);
        microseconds.push_back(
            std::chrono::duration<double, std::micro>(clock_type::now() - start).count());
        if (back.compare(0, size, message) != 0)
            throw std::runtime_error{"another message came back"};
    }
    std::sort(microseconds.begin(), microseconds.end());
    std::printf("channel: %zu messages there and back: min %.1f us, median %.1f us\n", self.rounds,
                microseconds.front(), microseconds[microseconds.size() / 2]);
}

net::awaitable<void> converse(peer& self) {
    co_await greet(self);
    // From here on the own section belongs to the slot.
    ivshmem::asio::slot slot{co_await net::this_coro::executor, self.device};
    if (self.serves())
        co_await answer(self, slot);
    else
        co_await ask(self, slot);
    enter(self, finished);
    // A peer that has seen this state may be gone already.
    co_await await_state(self, [](auto of) { return of == finished || of == 0; });
}

} // namespace

int main(int argc, char** argv) try {
    if (argc < 3) {
        std::cerr << "usage: two-vms-v2-peer DEVICE PEER [ROUNDS]\n";
        return 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    peer self{ivshmem::device::open(argv[1]),
              static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10)),
              argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 200};
    const auto& device = self.device;
    std::cout << device.description() << ": id " << device.id() << " of " << device.max_peers()
              << ", own section of " << device.output_section(device.id()).size() / 1024 << " KiB, "
              << device.memory().size() / 1024 << " KiB that all may write" << std::endl;
    net::io_context io{1};
    std::exception_ptr failed;
    net::co_spawn(io, converse(self), [&](const std::exception_ptr& e) { failed = e; });
    io.run();
    if (failed)
        std::rethrow_exception(failed);
    std::cout << "done" << std::endl;
    return 0;
} catch (const std::exception& e) {
    std::cerr << "two-vms-v2-peer: " << e.what() << '\n';
    return 1;
}
