// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/layout.hpp"
#include "channel/shared_words.hpp"
#include "liar.hpp"
#include "schedule.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace test {

namespace layout = ivshmem::layout;

/// The part for topics of a section of the fuzz tests.
inline constexpr std::size_t topics_begin = layout::header::size + layout::block::ring + 1024;
inline constexpr std::size_t table_begin = topics_begin + 2 * layout::topics::row_size;
inline constexpr std::size_t room_begin =
    table_begin + layout::topics::per_slot * layout::topics::entry_size;

/// Writes a word of the part for topics.
inline void lie_about_topics(std::span<std::byte> memory, std::uint32_t slot, schedule& what) {
    const ivshmem::shared_words section{memory.data() + slot * small_section, false};
    std::size_t at = 0;
    switch (what.below(4)) {
    case 0: // the rows: words to be rung, and pins
        at = topics_begin + what.below(64) * std::size_t{4};
        break;
    case 1: // the first entries
        at = table_begin + what.below(3) * layout::topics::entry_size +
             what.below(64) * std::size_t{4};
        break;
    case 2: // indexes and small data
        at = room_begin + what.below(1024) * std::size_t{4};
        break;
    default:
        at = topics_begin + what.below((small_section - topics_begin) / 4) * std::size_t{4};
        break;
    }
    const std::uint32_t now = section.load(at);
    switch (what.below(6)) {
    case 0:
        return section.store(at, 0);
    case 1:
        return section.store(at, now + what.byte());
    case 2:
        return section.store(at, layout::topic_mark_valid | what.byte());
    case 3:
        return section.store(at, what.byte());
    case 4:
        return section.store(at, ~0U);
    default:
        return section.store(at, what.word());
    }
}

} // namespace test
