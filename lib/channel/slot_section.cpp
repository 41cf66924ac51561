// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/layout.hpp"
#include "channel/shared_words.hpp"

#include <ivshmem/region_geometry.hpp>
#include <ivshmem/slot_section.hpp>

#include <optional>

namespace ivshmem {

namespace {

/// The section whose header is at `offset`, if one is.
std::optional<slot_section> section_at(const shared_words& header, std::uint64_t offset,
                                       std::uint64_t region) {
    if (header.load(layout::header::magic) != layout::magic ||
        header.load(layout::header::version) >> 16U != layout::version >> 16U)
        return std::nullopt;
    const region_geometry g{header.load(layout::header::slots), header.load(layout::header::lanes),
                            header.load(layout::header::ring_size)};
    if (!is_valid(g) || region_needed(g) > region)
        return std::nullopt;
    const std::uint64_t size = region / g.slots / layout::page * layout::page;
    const std::uint32_t slot = header.load(layout::header::slot);
    if (slot >= g.slots || slot * size != offset)
        return std::nullopt;
    return slot_section{slot,
                        g.slots,
                        offset,
                        size,
                        header.load(layout::header::incarnation) != 0,
                        static_cast<std::uint16_t>(header.load(layout::header::peer))};
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
