// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/division.hpp"

#include "base/text.hpp"
#include "channel/layout.hpp"

namespace ivshmem {

namespace {

/// The first minor version whose headers name the region.
constexpr std::uint32_t minor_with_region = 1;

std::uint64_t word_pair(const shared_words& at, std::size_t low, std::size_t high) {
    return std::uint64_t{at.load(high)} << 32U | at.load(low);
}

} // namespace

division divided(const memory_region& region, const region_geometry& geometry) noexcept {
    return {region, geometry, region.size / geometry.slots / layout::page * layout::page};
}

bool division::is_possible_in(std::uint64_t memory_size) const noexcept {
    return is_valid(geometry) && region.offset % layout::page == 0 &&
           region.offset <= memory_size && region.size <= memory_size - region.offset &&
           region_needed(geometry) <= region.size;
}

bool division::overlaps(const memory_region& other) const noexcept {
    return region.offset < other.offset + other.size && other.offset < region.offset + region.size;
}

std::string in_words(const division& d) {
    return formatted("{} slots, {} lanes, rings of {} bytes, in the {} bytes from {:#x} on",
                     d.geometry.slots, d.geometry.lanes, d.geometry.ring_size, d.region.size,
                     d.region.offset);
}

slot_header::slot_header(const shared_words& at, std::uint64_t memory_size) noexcept
    : magic{at.load(layout::header::magic)}, version{at.load(layout::header::version)},
      divides{{0, memory_size},
              {at.load(layout::header::slots), at.load(layout::header::lanes),
               at.load(layout::header::ring_size)},
              word_pair(at, layout::header::section_size_low, layout::header::section_size_high)},
      slot{at.load(layout::header::slot)} {
    if (has_this_major() && (version & 0xffffU) >= minor_with_region)
        divides.region = {
            word_pair(at, layout::header::region_offset_low, layout::header::region_offset_high),
            word_pair(at, layout::header::region_size_low, layout::header::region_size_high)};
}

bool slot_header::has_this_major() const noexcept {
    return version >> 16U == layout::version >> 16U;
}

bool slot_header::has_topics() const noexcept {
    return (version & 0xffffU) >= layout::minor_with_topics;
}

bool slot_header::agrees(const division& with, std::uint64_t offset) const noexcept {
    return magic == layout::magic && has_this_major() && divides == with &&
           with.begin_of(slot) == offset;
}

fixed_words fixed_words_of(const division& d, std::uint32_t slot) noexcept {
    const auto low = [](std::uint64_t n) {
        return static_cast<std::uint32_t>(n);
    };
    const auto high = [](std::uint64_t n) {
        return static_cast<std::uint32_t>(n >> 32U);
    };
    return {layout::magic,         layout::version,      d.geometry.slots,
            d.geometry.lanes,      d.geometry.ring_size, slot,
            low(d.section_size),   high(d.section_size), low(d.region.offset),
            high(d.region.offset), low(d.region.size),   high(d.region.size)};
}

} // namespace ivshmem
