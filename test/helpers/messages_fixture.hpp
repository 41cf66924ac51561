// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "helpers/catch.hpp"
#include "helpers/deadline.hpp"
#include "helpers/server_process.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace test {

namespace net = boost::asio;
using boost::system::error_code;
using ivshmem::errc;
using ivshmem::asio::channel;
using ivshmem::asio::channel_event;

/// Completes with what the operation gives, its error first.
inline constexpr auto result = net::as_tuple(net::use_awaitable);

inline ivshmem::device open_device(const std::string& socket) {
    ivshmem::open_options options;
    options.vectors = 1;
    return ivshmem::device::open(ivshmem::selector::server(socket), options);
}

inline ivshmem::slot_options slot_with(std::uint32_t number,
                                       const ivshmem::region_geometry& geometry) {
    ivshmem::slot_options options;
    options.number = number;
    options.geometry = geometry;
    return options;
}

/// A peer of a server, with a slot of its own. What it has may be ended in any order.
struct messages_peer {
    messages_peer(net::io_context& io, const std::string& socket, std::uint32_t number,
                  const ivshmem::region_geometry& geometry,
                  const ivshmem::asio::waiting_options& waiting = {})
        : device{open_device(socket)}, slot{std::in_place, io, device, slot_with(number, geometry),
                                            waiting} {}

    [[nodiscard]] channel open(std::uint32_t peer, std::uint32_t lane = 0,
                               const ivshmem::channel_options& options = {}) const {
        return {*slot, peer, lane, options};
    }

    ivshmem::device device;
    std::optional<ivshmem::asio::slot> slot;
};

/// Runs an event loop until something comes true, or for too long.
template <typename Condition>
bool run_until(net::io_context& io, Condition&& condition) {
    io.restart();
    while (!condition())
        if (io.run_one_for(std::chrono::seconds{20}) == 0)
            return false;
    return true;
}

/// Runs coroutines side by side until all have ended; what they throw fails the test.
template <typename... Bodies>
void run_all(net::io_context& io, Bodies... bodies) {
    std::size_t running = sizeof...(bodies);
    std::exception_ptr failed;
    const auto ended = [&](const std::exception_ptr& e) {
        --running;
        if (e)
            failed = e;
    };
    (net::co_spawn(io, std::move(bodies), ended), ...);
    const bool all = run_until(io, [&] { return running == 0 || failed; });
    if (failed)
        std::rethrow_exception(failed);
    REQUIRE(all);
}

/// A server, and two peers of it on one event loop, with a channel between them.
class two_peers {
  public:
    explicit two_peers(std::uint32_t ring_size = 64 * 1024,
                       const ivshmem::asio::waiting_options& waiting = {})
        : server_{{"-l", "4M", "-n", "1"}}, geometry{2, 4, ring_size},
          left{io, server_.socket(), 0, geometry, waiting}, right{io, server_.socket(), 1, geometry,
                                                                  waiting} {}

    [[nodiscard]] const std::string& socket() const { return server_.socket(); }
    void open(const ivshmem::channel_options& options = {}) {
        a = left.open(1, 0, options);
        b = right.open(0, 0, options);
    }
    void connect() {
        const auto connecting = [](channel& c) {
            return [&c]() -> net::awaitable<void> {
                co_await c.async_connect(net::use_awaitable);
            };
        };
        run_all(io, connecting(a), connecting(b));
    }

  private:
    deadline limit_{60};
    host::running_server server_;

  public:
    const ivshmem::region_geometry geometry;
    net::io_context io;
    messages_peer left;
    messages_peer right;
    channel a{io};
    channel b{io};
};

/// Bytes that differ from place to place, and from seed to seed.
inline std::string pattern(std::size_t size, std::uint32_t seed = 1) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) {
        seed = seed * 1664525 + 1013904223;
        byte = static_cast<char>(seed >> 24);
    }
    return bytes;
}

/// How one operation completed.
struct completion {
    /// A handler; it must stay where it is.
    auto handler() {
        return [this](error_code e, auto... v) {
            ec = e;
            ++calls;
            if constexpr (sizeof...(v) == 1 && (std::is_same_v<decltype(v), std::size_t> && ...))
                size = (v, ...);
        };
    }
    [[nodiscard]] bool done() const { return calls != 0; }

    error_code ec;
    std::size_t size = 0;
    int calls = 0;
};

} // namespace test
