// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <cstdint>
#include <string_view>

namespace ivshmem {

/// How the other side of a channel broke the rules of the layout (channel-layout.md, "Faults").
/// The numbers are those that the layout has.
enum class violation : std::uint8_t {
    none = 0,
    record = 1,   ///< a record without its mark, or one that leaves the ring
    total = 2,    ///< a total that fits neither the record nor what came before
    limit = 3,    ///< a message over the limit
    sequence = 4, ///< a pad or an abandoned message where none may be
    cursor = 5,   ///< a cursor that runs backwards, ahead of what was sent, or off its grid
};

/// "record", "total", ... Thread safe.
[[nodiscard]] IVSHMEM_API std::string_view to_string(violation v) noexcept;

} // namespace ivshmem
