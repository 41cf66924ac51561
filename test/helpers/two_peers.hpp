// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "helpers/deadline.hpp"
#include "helpers/event_loop.hpp"
#include "helpers/lossy_server.hpp"
#include "helpers/server_process.hpp"

#include <ivshmem/asio.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace test {

using ivshmem::errc;
using ivshmem::asio::channel;
using ivshmem::asio::channel_event;

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

/// A peer with its own slot. Its parts may be ended in any order.
struct peer {
    peer(net::io_context& io, ivshmem::device opened, std::uint32_t number,
         const ivshmem::region_geometry& geometry,
         const ivshmem::asio::waiting_options& waiting = {})
        : device{std::move(opened)}, slot{std::in_place, io, device, slot_with(number, geometry),
                                          waiting} {}

    [[nodiscard]] channel open(std::uint32_t other, std::uint32_t lane = 0,
                               const ivshmem::channel_options& options = {}) const {
        return {*slot, other, lane, options};
    }
    /// A stream to the other one of two peers.
    [[nodiscard]] ivshmem::asio::stream stream(std::uint32_t lane = 0,
                                               const ivshmem::channel_options& options = {}) const {
        return {*slot, 1 - slot->next_layer().number(), lane, options};
    }

    ivshmem::device device;
    std::optional<ivshmem::asio::slot> slot;
};

class started_peers;

/// Two peers on a server, in slots 0 and 1, on one event loop, as configured by a test:
///
///     auto p = two_peers().with_lanes(2).with_rings(4096).lossy(50).start();
///
/// The server, its peers and their folder live as long as the result of start().
class two_peers {
  public:
    two_peers& with_lanes(std::uint32_t count) {
        geometry.lanes = count;
        return *this;
    }
    /// @param bytes The size of each ring.
    two_peers& with_rings(std::uint32_t bytes) {
        geometry.ring_size = bytes;
        return *this;
    }
    two_peers& waiting(const ivshmem::asio::waiting_options& how) {
        waits = how;
        return *this;
    }
    /// Makes the server lose this percentage of rings.
    two_peers& lossy(unsigned percent) {
        lost_percent = percent;
        return *this;
    }
    /// Aborts the test if it takes longer.
    two_peers& within(int seconds) {
        limit = seconds;
        return *this;
    }
    [[nodiscard]] started_peers start() const;

  private:
    friend class started_peers;

    ivshmem::region_geometry geometry{2, 4, 64 * 1024};
    ivshmem::asio::waiting_options waits;
    std::optional<unsigned> lost_percent;
    int limit = 120;
};

/// Two peers that have joined their server, and a channel from each to the other.
class started_peers {
  public:
    explicit started_peers(const two_peers& how)
        : limit_{how.limit}, geometry{how.geometry}, left{join(0, how)}, right{join(1, how)} {}

    /// The socket of a server that is not lossy.
    [[nodiscard]] const std::string& socket() const { return server_->socket(); }
    /// The server of peers whose rings may get lost.
    [[nodiscard]] lossy_server& rings() { return *lossy_; }

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
        run(connecting(a), connecting(b));
    }
    template <typename... Bodies>
    void run(Bodies... bodies) {
        run_all(io, std::move(bodies)...);
    }

  private:
    peer join(std::uint16_t number, const two_peers& how) {
        if (how.lost_percent && !lossy_)
            lossy_.emplace().lose(*how.lost_percent);
        if (!how.lost_percent && !server_)
            server_.emplace(std::vector<std::string>{"-l", "4M", "-n", "1"});
        return {io, lossy_ ? lossy_->open(number) : open_device(socket()), number, geometry,
                how.waits};
    }

    deadline limit_;
    std::optional<host::running_server> server_;
    std::optional<lossy_server> lossy_;

  public:
    const ivshmem::region_geometry geometry;
    net::io_context io;
    peer left;
    peer right;
    channel a{io};
    channel b{io};
};

inline started_peers two_peers::start() const {
    return started_peers{*this};
}

} // namespace test
