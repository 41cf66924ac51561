// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <cstddef>
#include <cstdint>

namespace ivshmem {

/// A part of the shared memory.
struct memory_region {
    std::uint64_t offset = 0; ///< bytes from the start of the memory; a multiple of 4096
    std::uint64_t size = 0;   ///< bytes; a multiple of 4096

    bool operator==(const memory_region&) const = default;
};

/// The division of the shared memory for channels (channel-layout.md, "The region"). All peers use
/// the same; the first one chooses.
struct region_geometry {
    /// 2..256: the most peers at a time; each has an output section of its own.
    std::uint32_t slots = 4;
    /// 1..1024: the most channels between each two peers.
    std::uint32_t lanes = 4;
    /// Bytes of the ring that each direction of a channel has: a power of two, 1024..268435456.
    /// A message of up to half of it, less 8 bytes, is sent in one piece.
    std::uint32_t ring_size = 64 * 1024;

    bool operator==(const region_geometry&) const = default;
};

/// Whether the numbers are in their ranges. Thread safe.
[[nodiscard]] IVSHMEM_API bool is_valid(const region_geometry& g) noexcept;
/// The bytes that the memory must have at least for a geometry. Thread safe. @pre is_valid(g)
[[nodiscard]] IVSHMEM_API std::uint64_t region_needed(const region_geometry& g) noexcept;
/// The largest rings, of 1 MiB at most, with which `region` bytes of memory hold so many slots and
/// lanes. If there are none, the smallest rings, which do not fit. Thread safe.
[[nodiscard]] IVSHMEM_API region_geometry largest_rings(std::uint64_t region, std::uint32_t slots,
                                                        std::uint32_t lanes) noexcept;

} // namespace ivshmem
