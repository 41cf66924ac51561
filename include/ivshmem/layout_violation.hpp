// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <cstdint>
#include <string_view>

namespace ivshmem {

/// A rule of the layout that the other side of a channel broke (channel-layout.md, "Faults").
/// The numbers are those of the layout.
enum class layout_violation : std::uint8_t {
    none = 0,
    record = 1,   ///< a record without its mark, or one that leaves the ring
    total = 2,    ///< a total that fits neither the record nor the records before it
    limit = 3,    ///< a message over the limit
    sequence = 4, ///< a pad or an abandoned message at a place that allows none
    cursor = 5,   ///< a cursor that runs backwards, ahead of what was sent, or off its grid
};

/// Returns "none", "record", "total", "limit", "sequence" or "cursor". Thread safe.
[[nodiscard]] IVSHMEM_API std::string_view to_string(layout_violation v) noexcept;

} // namespace ivshmem
