// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// One of the two peers of the demonstration: says hello through the shared memory, then plays
// ping-pong with doorbells on every vector that both sides can wait for.
//
//     two-vms-peer DEVICE first|second RUN [ROUNDS]
//
// DEVICE is anything that ivshmem::selector takes (0000:00:04.0, server:/tmp/ivshmem_socket); RUN
// is a number that both sides are given, so that data from an earlier run is not mistaken for this
// run's.

#include "shared_pages.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <vector>

namespace net = boost::asio;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

namespace {

constexpr auto patience = 30s;

struct peer {
    ivshmem::device device;
    shared_pages pages;
    bool first;
    std::uint64_t run;
    std::uint64_t rounds;
};

/// Polls for a change of the memory that no doorbell announces.
template <typename Condition>
net::awaitable<void> poll_until(const char* what, Condition condition) {
    net::steady_timer timer{co_await net::this_coro::executor};
    const auto deadline = clock_type::now() + patience;
    while (!condition()) {
        if (clock_type::now() > deadline)
            throw std::runtime_error{std::string{"the other peer did not reach: "} + what};
        timer.expires_after(1ms);
        co_await timer.async_wait(net::use_awaitable);
    }
}

/// Returns on both sides when both have called it.
net::awaitable<void> meet(const peer& self, std::uint32_t step) {
    self.pages.mine().step.store(step, std::memory_order_release);
    ivshmem::shared_memory::publish();
    co_await poll_until("the next step", [&] { return self.pages.theirs().step.load() >= step; });
}

/// Interrupts are hints: wait for one, then check the memory, and check it every 100 ms anyway. A
/// lost interrupt costs a tenth of a second, not the conversation.
/// @return Whether the other peer's ring arrived.
net::awaitable<bool> wait_for_round(const peer& self, ivshmem::asio::interrupt& interrupt,
                                    std::uint64_t round) {
    using namespace net::experimental::awaitable_operators;
    net::steady_timer recheck{co_await net::this_coro::executor};
    const auto deadline = clock_type::now() + patience;
    bool heard = false;
    do {
        if (clock_type::now() > deadline)
            throw std::runtime_error{"no answer from the other peer"};
        recheck.expires_after(100ms);
        const auto first = co_await (interrupt.async_wait(net::use_awaitable) ||
                                     recheck.async_wait(net::use_awaitable));
        heard = first.index() == 0;
    } while (self.pages.theirs().count.load(std::memory_order_acquire) < round);
    co_return heard;
}

void report(std::uint32_t vector, std::vector<double>& microseconds, std::uint64_t heard) {
    if (heard == 0)
        throw std::runtime_error{"vector " + std::to_string(vector) + ": no interrupt arrived"};
    if (heard < microseconds.size())
        std::printf("vector %u: %llu of %zu rings were not heard\n", vector,
                    static_cast<unsigned long long>(microseconds.size() - heard),
                    microseconds.size());
    std::sort(microseconds.begin(), microseconds.end());
    const auto at = [&](double share) {
        return microseconds[static_cast<std::size_t>(share * double(microseconds.size() - 1))];
    };
    std::printf("vector %u: %zu round trips: min %.1f us, median %.1f us, 99%% %.1f us\n", vector,
                microseconds.size(), at(0), at(0.5), at(0.99));
}

/// The first peer serves, the second one returns. Each round has its own number.
net::awaitable<void> ping_pong(peer& self, std::uint32_t vector) {
    ivshmem::asio::interrupt interrupt{co_await net::this_coro::executor, self.device, vector};
    const std::uint32_t other = self.pages.theirs().id.load();
    std::vector<double> microseconds;
    std::uint64_t heard = 0;
    co_await meet(self, 10 + vector);
    for (std::uint64_t i = 1; i <= self.rounds; ++i) {
        const std::uint64_t round = vector * self.rounds + i;
        const auto start = clock_type::now();
        if (!self.first)
            heard += co_await wait_for_round(self, interrupt, round) ? 1 : 0;
        self.pages.mine().count.store(round, std::memory_order_release);
        self.device.ring(other, vector);
        if (self.first) {
            heard += co_await wait_for_round(self, interrupt, round) ? 1 : 0;
            microseconds.push_back(
                std::chrono::duration<double, std::micro>(clock_type::now() - start).count());
        }
    }
    if (self.first)
        report(vector, microseconds, heard);
}

net::awaitable<void> converse(peer self) {
    const auto name = self.first ? "the first peer" : "the second peer";
    self.pages.publish(self.run, self.device, std::string{"hello from "} + name);
    co_await poll_until("begin", [&] {
        return self.pages.theirs().run.load(std::memory_order_acquire) == self.run;
    });
    std::cout << "peer " << self.pages.theirs().id << " says: " << self.pages.their_text() << '\n';
    co_await meet(self, 1);

    const std::uint32_t vectors =
        std::min(self.device.capabilities().interrupts, self.pages.theirs().vectors.load());
    if (vectors == 0)
        std::cout << "no doorbells: memory only\n";
    for (std::uint32_t vector = 0; vector < vectors; ++vector)
        co_await ping_pong(self, vector);
    co_await meet(self, 2'000'000);
}

} // namespace

int main(int argc, char** argv) try {
    if (argc < 4) {
        std::cerr << "usage: two-vms-peer DEVICE first|second RUN [ROUNDS]\n";
        return 2;
    }
    auto device = ivshmem::device::open(argv[1]);
    std::cout << device.description() << ": id " << device.id() << ", "
              << device.memory().size() / 1024 << " KiB " << device.memory().reason() << ", "
              << device.capabilities().interrupts << " of " << device.vectors()
              << " vectors to wait for\n";
    const bool first = std::string_view{argv[2]} == "first";
    const shared_pages pages{device.memory(), first};
    const std::uint64_t run = std::strtoull(argv[3], nullptr, 10);
    const std::uint64_t rounds = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 200;

    net::io_context io{1};
    std::exception_ptr failed;
    net::co_spawn(io, converse({std::move(device), pages, first, run, rounds}),
                  [&](const std::exception_ptr& e) { failed = e; });
    io.run();
    if (failed)
        std::rethrow_exception(failed);
    std::cout << "done" << std::endl;
    return 0;
} catch (const std::exception& e) {
    std::cerr << "two-vms-peer: " << e.what() << '\n';
    return 1;
}
