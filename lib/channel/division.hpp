// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/shared_words.hpp"

#include <ivshmem/region_geometry.hpp>

#include <array>
#include <cstdint>
#include <string>

namespace ivshmem {

/// The division of the shared memory for channels ("The region" of channel-layout.md).
struct division {
    memory_region region;
    region_geometry geometry;
    std::uint64_t section_size = 0;

    /// The offset of a section in the memory.
    [[nodiscard]] std::uint64_t begin_of(std::uint32_t slot) const noexcept {
        return region.offset + section_size * slot;
    }
    [[nodiscard]] std::uint64_t end() const noexcept { return begin_of(geometry.slots); }
    /// Whether the numbers are in their ranges and fit a memory of that many bytes.
    [[nodiscard]] bool is_possible_in(std::uint64_t memory_size) const noexcept;
    [[nodiscard]] bool overlaps(const memory_region& other) const noexcept;

    bool operator==(const division&) const = default;
};

/// Divides a region. @pre is_valid(geometry)
[[nodiscard]] division divided(const memory_region& region,
                               const region_geometry& geometry) noexcept;
[[nodiscard]] std::string in_words(const division& d);

/// The words of a header, unchecked.
struct slot_header {
    /// @param memory_size The size of the region if the header is of version 1.0, which does not
    /// name it.
    slot_header(const shared_words& at, std::uint64_t memory_size) noexcept;

    [[nodiscard]] bool has_this_major() const noexcept;
    /// Whether the peer that wrote it knows topics. @pre has_this_major()
    [[nodiscard]] bool has_topics() const noexcept;
    /// Whether it is the header of a slot of that division, at that offset in the memory.
    [[nodiscard]] bool agrees(const division& with, std::uint64_t offset) const noexcept;

    std::uint32_t magic;
    std::uint32_t version;
    division divides;
    std::uint32_t slot;
};

/// The words at the start of a header, up to `region size`, which never change while the slot is
/// held.
using fixed_words = std::array<std::uint32_t, 12>;
[[nodiscard]] fixed_words fixed_words_of(const division& d, std::uint32_t slot) noexcept;

} // namespace ivshmem
