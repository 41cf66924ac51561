// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/server_protocol.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace ivshmem_server {

/// A point in the server's life, as the number of joins and departures so far.
using logical_time = std::uint64_t;

/// Assigns peer ids, counting upwards as QEMU's server does, and from 0 again after 65535.
///
/// An id is not assigned again while a client is connected that saw it leave: QEMU aborts with a
/// double free when such an id joins again.
class ids {
  public:
    static constexpr std::size_t count = ivshmem::server_protocol::max_id + 1;

    /// @param next The first id to try.
    explicit ids(std::uint16_t next = 0) : next_{next} {}

    /// Returns the next free id, or nothing.
    /// @param oldest The time at which the oldest connected client joined; the largest value if
    /// there is none.
    std::optional<std::uint16_t> take(logical_time oldest);

    /// Releases an id whose client left at that time.
    void give_back(std::uint16_t id, logical_time left);

  private:
    static constexpr logical_time in_use = UINT64_MAX;

    std::array<logical_time, count> left_{}; ///< by id: in_use, or when its last client left
    std::uint16_t next_;
};

} // namespace ivshmem_server
