// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Answer several clients from a pool of threads. A slot, its channels and its acceptors are one
// object, so one strand runs all of their operations; slow work runs beside it.
//
//     threads DEVICE server
//     threads DEVICE client NUMBER...
//
// On the host, with an ivshmem-server that listens at PATH:
//
//     ./threads server:PATH server
//     ./threads server:PATH client 600851475143 1000000016000000063
//
// In guests: the same, with the address that lsivshmem prints.

#include <ivshmem/asio.hpp>

#include <boost/asio.hpp>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace net = boost::asio;
constexpr auto with_error = net::as_tuple(net::use_awaitable);

namespace {

constexpr unsigned threads = 4;
constexpr std::string_view service = "largest-prime-factor";
using number = std::uint64_t;

/// Takes a second or two for large numbers.
number largest_prime_factor(number n) {
    number largest = 1;
    for (number factor = 2; factor <= n / factor; ++factor)
        while (n % factor == 0 && factor <= n / factor) {
            largest = std::max(largest, factor);
            n /= factor;
        }
    return std::max(largest, n);
}

/// Runs on any thread of the pool: it touches no channel.
net::awaitable<number> compute(number n) {
    co_return largest_prime_factor(n);
}

/// Runs on the slot's strand, also after each co_await.
net::awaitable<void> answer(ivshmem::asio::channel channel, net::any_io_executor pool) {
    for (;;) {
        number n = 0;
        const auto [ec, size] =
            co_await channel.async_receive(net::buffer(&n, sizeof n), with_error);
        if (ec || size != sizeof n)
            co_return; // the client is gone, or is not one
        const number result = co_await net::co_spawn(pool, compute(n), net::use_awaitable);
        const auto [failed, sent] =
            co_await channel.async_send(net::buffer(&result, sizeof result), with_error);
        if (failed)
            co_return;
    }
}

net::awaitable<void> serve(ivshmem::asio::slot& slot, net::any_io_executor pool) {
    ivshmem::asio::acceptor acceptor{slot, service, {.max_message = sizeof(number)}};
    std::cout << "computing in slot " << slot.number() << std::endl;
    for (;;) {
        auto [ec, channel] = co_await acceptor.async_accept(with_error);
        if (ec == ivshmem::errc::closed)
            co_return; // by the signal
        if (ec)
            throw boost::system::system_error{ec, "accepting"};
        // Not on `pool`: the channel belongs to the strand.
        net::co_spawn(slot.get_executor(), answer(std::move(channel), pool), net::detached);
    }
}

net::awaitable<void> ask(ivshmem::asio::slot& slot, std::vector<number> numbers) {
    auto channel =
        co_await ivshmem::asio::async_connect(slot, std::string{service}, net::use_awaitable);
    for (const number n : numbers) {
        number result = 0;
        co_await channel.async_send(net::buffer(&n, sizeof n), net::use_awaitable);
        co_await channel.async_receive(net::buffer(&result, sizeof result), net::use_awaitable);
        std::cout << n << ": " << result << std::endl;
    }
    slot.close(); // an open slot keeps the pool running
}

std::vector<number> parsed(char** begin, char** end) {
    std::vector<number> numbers;
    for (; begin != end; ++begin) {
        const char* const stop = *begin + std::strlen(*begin);
        if (std::from_chars(*begin, stop, numbers.emplace_back()).ptr != stop)
            throw std::invalid_argument{std::string{*begin} + ": not a number"};
    }
    return numbers;
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 2 ? argv[2] : "";
    if ((what != "server" || argc != 3) && (what != "client" || argc < 4)) {
        std::cerr << "usage: threads DEVICE server|client NUMBER...\n";
        return 2;
    }
    try {
        const auto numbers = parsed(argv + 3, argv + argc);
        const auto device = ivshmem::device::open(argv[1]);
        net::io_context io{threads};
        // One slot, one strand. Objects made from the slot run on the strand by themselves.
        const auto strand = net::make_strand(io);
        ivshmem::asio::slot slot{strand, device, ivshmem::slot::claim_free(device)};
        net::signal_set signals{strand, SIGINT, SIGTERM};
        signals.async_wait([&](auto, int) { slot.close(); });
        int status = 0;
        net::co_spawn(strand,
                      what == "server" ? serve(slot, io.get_executor()) : ask(slot, numbers),
                      [&](const std::exception_ptr& failed) {
                          signals.cancel();
                          slot.close();
                          try {
                              if (failed)
                                  std::rethrow_exception(failed);
                          } catch (const std::exception& e) {
                              std::cerr << "threads: " << e.what() << '\n';
                              status = 1;
                          }
                      });
        net::thread_pool others{threads - 1};
        for (unsigned i = 1; i < threads; ++i)
            net::post(others, [&] { io.run(); });
        io.run();
        others.join();
        return status;
    } catch (const std::exception& e) {
        std::cerr << "threads: " << e.what() << '\n';
        return 1;
    }
}
