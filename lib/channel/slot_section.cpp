// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/header_search.hpp"
#include "channel/layout.hpp"
#include "channel/shared_words.hpp"

#include <ivshmem/slot_section.hpp>

namespace ivshmem {

std::vector<slot_section> find_slot_sections(std::span<const std::byte> memory) {
    // Only read.
    const shared_words all{const_cast<std::byte*>(memory.data()), false}; // NOLINT
    std::vector<slot_section> found;
    for (const found_header& header : find_sections(all, memory.size())) {
        const division& of = header.words.divides;
        found.push_back(
            {header.words.slot, of.geometry.slots, header.offset, of.section_size, header.held,
             static_cast<std::uint16_t>(all.at(header.offset).load(layout::header::peer))});
    }
    return found;
}

} // namespace ivshmem
