// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <cstdint>
#include <string_view>

namespace ivshmem {

/// The state of a channel, as this side knows it (channel-layout.md, "Opening a channel").
enum class channel_state : std::uint8_t {
    closed,    ///< not open
    opening,   ///< the other side has not opened the lane yet
    connected, ///< messages flow
    reset,     ///< the other side started again, or closed the lane and opened it again
    poisoned,  ///< the other side broke the rules of the layout
    rejected,  ///< the other side reports that this side broke the rules
    lost,      ///< the other side ended without closing the lane, or does not run any more
};

/// Returns "closed", "opening", "connected", "reset", "poisoned", "rejected" or
/// "lost". Thread safe.
[[nodiscard]] IVSHMEM_API std::string_view to_string(channel_state s) noexcept;

} // namespace ivshmem
