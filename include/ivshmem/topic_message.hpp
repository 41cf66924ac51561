// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ivshmem {

/// A message of a topic.
struct topic_message {
    /// As the writer's clock says.
    using time_point = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

    /// The number of the message: the first one of a topic is 1.
    std::uint64_t sequence = 0;
    /// How many messages, since the message that was read before, were overwritten or passed over
    /// without being read.
    std::uint64_t skipped = 0;
    /// When it was published, by the clock of the writer.
    time_point time{};
    /// The bytes: in the section of the writer, or in the buffer of the caller.
    std::span<const std::byte> bytes{};
    /// The attachment of the reader that it was read in.
    std::uint32_t session = 0;
};

} // namespace ivshmem
