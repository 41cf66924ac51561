// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/server_protocol.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace ivshmem_server {

/// A moment in the life of the server: joins and departures, counted.
using logical_time = std::uint64_t;

/// The peer ids, counted upwards as QEMU's server does, and from the start again after 65535.
///
/// No id is given out again while a client lives that saw it leave: QEMU aborts with a double free
/// when such an id joins again.
class ids {
  public:
    static constexpr std::size_t count = ivshmem::server_protocol::max_id + 1;

    /// @param next The first id to try.
    explicit ids(std::uint16_t next = 0) : next_{next} {}

    /// The next id that is free, or nothing.
    /// @param oldest When the client that has lived longest joined; the largest value if none
    /// lives.
    std::optional<std::uint16_t> take(logical_time oldest);

    /// Gives an id back whose client left then.
    void give_back(std::uint16_t id, logical_time left);

  private:
    static constexpr logical_time in_use = UINT64_MAX;

    std::array<logical_time, count> left_{}; ///< by id; in_use, or when its last client left
    std::uint16_t next_;
};

} // namespace ivshmem_server
