// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "helpers/catch.hpp"
#include "helpers/deadline.hpp"
#include "helpers/server_process.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace test {

namespace net = boost::asio;
using boost::system::error_code;

/// Completes with what the operation gives, its error first.
inline constexpr auto result = net::as_tuple(net::use_awaitable);

/// A peer of a server, with a slot of its own.
struct stream_peer {
    stream_peer(net::io_context& io, const std::string& socket, std::uint32_t number,
                std::uint32_t ring_size)
        : device{ivshmem::device::open(ivshmem::selector::server(socket))},
          slot{io, device, options(number, ring_size)}, other{1 - number} {}

    /// A stream to the other peer.
    [[nodiscard]] ivshmem::asio::stream stream(std::uint32_t lane = 0) const {
        return {slot, other, lane};
    }

    static ivshmem::slot_options options(std::uint32_t number, std::uint32_t ring_size) {
        ivshmem::slot_options chosen;
        chosen.number = number;
        chosen.geometry = ivshmem::region_geometry{2, 4, ring_size};
        return chosen;
    }

    ivshmem::device device;
    ivshmem::asio::slot slot;
    std::uint32_t other;
};

/// A server, and two peers of it on one event loop.
class two_peers {
  public:
    explicit two_peers(std::uint32_t ring_size = 64 * 1024)
        : server_{{"-l", "4M", "-n", "1"}}, left{io, server_.socket(), 0, ring_size},
          right{io, server_.socket(), 1, ring_size} {}

    /// Runs coroutines side by side until all have ended; what they throw fails the test.
    template <typename... Bodies>
    void run(Bodies... bodies) {
        std::size_t running = sizeof...(bodies);
        std::exception_ptr failed;
        const auto ended = [&](const std::exception_ptr& e) {
            --running;
            if (e)
                failed = e;
        };
        (net::co_spawn(io, std::move(bodies), ended), ...);
        while (running != 0 && !failed)
            io.run_one_for(host::deadline);
        if (failed)
            std::rethrow_exception(failed);
    }

  private:
    deadline limit_{120};
    host::running_server server_;

  public:
    net::io_context io;
    stream_peer left;
    stream_peer right;
};

/// Bytes that differ from place to place.
inline std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    std::uint32_t word = 1;
    for (char& byte : bytes) {
        word = word * 1664525 + 1013904223;
        byte = static_cast<char>(word >> 24);
    }
    return bytes;
}

} // namespace test
