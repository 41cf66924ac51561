// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/division.hpp"
#include "channel/layout.hpp"
#include "channel/shared_words.hpp"

#include <ivshmem/slot_section.hpp>

#include <optional>

namespace ivshmem {

namespace {

/// The section whose header is at `offset`, if one is.
std::optional<slot_section> section_at(const shared_words& at, std::uint64_t offset,
                                       std::uint64_t memory_size) {
    if (at.load(layout::header::magic) != layout::magic)
        return std::nullopt;
    const slot_header header{at, memory_size};
    const auto& [region, geometry, section_size] = header.divides;
    if (!header.divides.is_possible_in(memory_size) || header.slot >= geometry.slots ||
        !header.agrees(divided(region, geometry), offset))
        return std::nullopt;
    return slot_section{header.slot,
                        geometry.slots,
                        offset,
                        section_size,
                        at.load(layout::header::incarnation) != 0,
                        static_cast<std::uint16_t>(at.load(layout::header::peer))};
}

} // namespace

std::vector<slot_section> find_slot_sections(std::span<std::byte> memory) {
    std::vector<slot_section> found;
    const shared_words all{memory.data(), false};
    std::uint64_t offset = 0;
    while (offset + layout::header::size <= memory.size()) {
        const auto section = section_at(all.at(offset), offset, memory.size());
        if (section)
            found.push_back(*section);
        offset += section ? section->size : layout::page;
    }
    return found;
}

} // namespace ivshmem
