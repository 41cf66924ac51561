// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/header_search.hpp"
#include "channel/layout.hpp"
#include "channel/shared_words.hpp"

#include <ivshmem/slot_section.hpp>

#include <optional>

namespace ivshmem {

std::vector<slot_section> find_slot_sections(std::span<const std::byte> memory) {
    // Only read.
    const shared_words all{const_cast<std::byte*>(memory.data()), false}; // NOLINT
    std::vector<slot_section> found;
    std::uint64_t end = 0; // a header in the section of another one is stale
    for (const found_header& header : find_headers(all, memory.size(), std::nullopt)) {
        const division& of = header.words.divides;
        if (!header.words.has_this_major() || header.offset < end)
            continue;
        found.push_back(
            {header.words.slot, of.geometry.slots, header.offset, of.section_size, header.held,
             static_cast<std::uint16_t>(all.at(header.offset).load(layout::header::peer))});
        end = header.offset + of.section_size;
    }
    return found;
}

} // namespace ivshmem
