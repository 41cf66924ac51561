// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Many peers and lanes on one server:
//     bench-channel-scale PEERS LANES MESSAGES IDLE_SECONDS
// Each of PEERS processes has LANES channels to each other one, sends MESSAGES of 64 bytes on every
// channel and receives as many; then all wait, doing nothing, for IDLE_SECONDS. Prints a line of
// JSON: messages a second, doorbells a message, how often a process woke up while idle, and the
// shared memory of a channel.

#include "transports/server_process.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace net = boost::asio;
using net::awaitable;
using net::use_awaitable;
using clock_type = std::chrono::steady_clock;

struct plan {
    std::uint32_t peers;
    std::uint32_t lanes;
    std::uint64_t messages;
    int idle_seconds;
};

/// The counters that the processes share beside the channels: in memory that they inherit.
struct board {
    std::atomic<std::uint32_t> connected{0};
    std::atomic<std::uint32_t> through{0};
    std::atomic<std::uint32_t> measured{0};
    std::atomic<std::uint64_t> doorbells{0};
    std::atomic<std::uint64_t> idle_wakeups{0};
    std::atomic<std::uint64_t> channel_bytes{0};
};

std::uint64_t wakeups() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::uint64_t>(usage.ru_nvcsw);
}

awaitable<void> send_all(ivshmem::asio::channel& channel, std::uint64_t count) {
    const std::vector<char> message(64);
    for (std::uint64_t i = 0; i < count; ++i)
        co_await channel.async_send(net::buffer(message), use_awaitable);
}

awaitable<void> receive_all(ivshmem::asio::channel& channel, std::uint64_t count,
                            std::size_t& under_way) {
    std::vector<char> message(64);
    for (std::uint64_t i = 0; i < count; ++i)
        co_await channel.async_receive(net::buffer(message), use_awaitable);
    --under_way;
    // Idle, but waiting.
    boost::system::error_code ec;
    co_await channel.async_receive(net::buffer(message), net::redirect_error(use_awaitable, ec));
}

void rethrow(std::exception_ptr error) {
    if (error)
        std::rethrow_exception(error);
}

/// run_for() would wake up each second.
void run_until_timer(net::io_context& context, std::chrono::seconds length) {
    net::steady_timer timer{context, length};
    timer.async_wait([&](boost::system::error_code) { context.stop(); });
    context.run();
    context.restart();
}

void be_peer(std::uint32_t number, const plan& p, const std::string& server, board& shared) {
    net::io_context context{1};
    const auto device = ivshmem::device::open(server, {.vectors = 1});
    ivshmem::asio::slot slot{
        context,
        device,
        {.number = number,
         .geometry = ivshmem::largest_rings(device.memory().size(), p.peers, p.lanes)}};
    shared.channel_bytes = slot.next_layer().channel_size();
    std::vector<ivshmem::asio::channel> channels;
    for (std::uint32_t peer = 0; peer < p.peers; ++peer)
        for (std::uint32_t lane = 0; peer != number && lane < p.lanes; ++lane)
            channels.emplace_back(slot, peer, lane);
    for (auto& channel : channels)
        net::co_spawn(context, channel.async_connect(use_awaitable), rethrow);
    const auto all_connected = [&] {
        for (auto& channel : channels)
            if (channel.next_layer().state() != ivshmem::channel_state::connected)
                return false;
        return true;
    };
    while (!all_connected())
        context.run_for(std::chrono::milliseconds{1});
    ++shared.connected;
    while (shared.connected < p.peers)
        context.run_for(std::chrono::milliseconds{1});
    std::size_t under_way = channels.size();
    for (auto& channel : channels) {
        net::co_spawn(context, send_all(channel, p.messages), rethrow);
        net::co_spawn(context, receive_all(channel, p.messages, under_way), rethrow);
    }
    while (under_way != 0)
        context.run_one();
    for (auto& channel : channels)
        shared.doorbells += ivshmem::channel_driver{channel.next_layer()}.rings();
    ++shared.through;
    while (shared.through < p.peers)
        context.run_for(std::chrono::milliseconds{10});
    // The periods between looks double while nothing happens.
    run_until_timer(context, std::chrono::seconds{11});
    const std::uint64_t before = wakeups();
    run_until_timer(context, std::chrono::seconds{p.idle_seconds});
    shared.idle_wakeups += wakeups() - before - 1; // the timer itself
    ++shared.measured;
    while (shared.measured < p.peers) // a peer that leaves rings the others
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
}

int run(const plan& p) {
    const bench::server_process server{std::size_t{64} << 20U};
    void* const memory =
        ::mmap(nullptr, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) // NOLINT: the macro is C's
        bench::must(-1, "mmap");
    board& shared = *new (memory) board;
    for (std::uint32_t number = 0; number < p.peers; ++number) {
        if (bench::must(::fork(), "fork") != 0)
            continue;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::alarm(120);
        try {
            be_peer(number, p, server.selector(), shared);
            ::_exit(0);
        } catch (const std::exception& error) {
            std::fprintf(stderr, "peer %u: %s\n", number, error.what());
            ::_exit(1);
        }
    }
    // Checks rarely, so that this process takes no time from the others.
    const auto wait_for = [](const std::atomic<std::uint32_t>& what, std::uint32_t count) {
        for (int i = 0; what < count && i < 120'000; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
    };
    wait_for(shared.connected, p.peers);
    const auto start = clock_type::now();
    wait_for(shared.through, p.peers);
    const std::chrono::duration<double> took = clock_type::now() - start;
    bool failed = false;
    for (std::uint32_t number = 0; number < p.peers; ++number) {
        int status = 0;
        bench::must(::wait(&status), "wait");
        failed = failed || status != 0;
        if (status != 0 && shared.through < p.peers)
            return 1; // the others end with this process
    }
    const double messages = double(p.peers) * (p.peers - 1) * p.lanes * double(p.messages);
    std::printf("{\"peers\": %u, \"lanes\": %u, \"channels_of_a_peer\": %u, "
                "\"messages_per_second\": %.0f, \"doorbells_per_message\": %.5f, "
                "\"idle_wakeups_per_second_of_a_peer\": %.3f, \"bytes_of_a_channel\": %llu}\n",
                p.peers, p.lanes, (p.peers - 1) * p.lanes, messages / took.count(),
                double(shared.doorbells) / messages,
                double(shared.idle_wakeups) / p.peers / std::max(p.idle_seconds, 1),
                static_cast<unsigned long long>(shared.channel_bytes));
    return failed ? 1 : 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: bench-channel-scale PEERS LANES MESSAGES IDLE_SECONDS\n");
        return 64;
    }
    const auto number = [argv](int i) {
        return std::strtoul(argv[i], nullptr, 10);
    };
    try {
        return run({static_cast<std::uint32_t>(number(1)), static_cast<std::uint32_t>(number(2)),
                    number(3), static_cast<int>(number(4))});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench-channel-scale: %s\n", error.what());
        return 1;
    }
}
