// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ivshmem_gateway {

/// A message of the region for the broker.
struct outgoing {
    std::string topic{}; ///< at the broker
    std::vector<std::byte> payload{};
    int qos = 0;
    bool retain = false;

    /// @name Its place in the region, which goes with it as user properties
    /// @{
    std::uint32_t slot = 0;
    std::string origin{};
    std::uint64_t sequence = 0;
    std::uint64_t skipped = 0;        ///< messages before it that the gateway did not read
    std::chrono::nanoseconds time{0}; ///< since 1970, by the clock of the writer
    /// @}

    /// The room that it takes in a queue.
    [[nodiscard]] std::size_t size() const {
        return sizeof *this + topic.size() + payload.size() + origin.size();
    }
};

} // namespace ivshmem_gateway
