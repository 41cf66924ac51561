// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/topic_area.hpp"

#include "channel/shared_words.hpp"

#include <bit>

namespace ivshmem {

namespace {

/// The smallest room that is worth a topic.
constexpr std::uint64_t smallest_room = 1024;

} // namespace

topic_area::topic_area(const division& of) noexcept
    : begin_{layout::header::size + std::uint64_t{of.geometry.slots - 1} * of.geometry.lanes *
                                        (layout::block::ring + of.geometry.ring_size)},
      table_{begin_ + of.geometry.slots * layout::topics::row_size}, end_{of.section_size} {}

bool topic_area::exists() const noexcept {
    return end_ >= room() && end_ - room() >= smallest_room;
}

bool topic_area::holds(const topic_place& place) const noexcept {
    const auto in_room = [this](std::uint64_t begin, std::uint64_t size) {
        return begin >= room() && begin <= end_ && size <= end_ - begin;
    };
    return exists() && std::has_single_bit(place.messages) && place.messages >= 2 &&
           place.messages <= layout::topics::most_messages && place.size != 0 &&
           in_room(place.index, place.messages * layout::topic_record::size) &&
           in_room(place.data, place.size);
}

std::optional<topic_place> topic_area::place_in(const shared_words& section,
                                                std::size_t number) const {
    const std::uint64_t at = entry(number);
    const auto grains = [&](std::size_t word) {
        return std::uint64_t{section.load(at + word)} * layout::topics::grain;
    };
    const topic_place place{at, grains(layout::topic::index), grains(layout::topic::data),
                            grains(layout::topic::size),
                            section.load(at + layout::topic::messages)};
    return holds(place) ? std::optional{place} : std::nullopt;
}

} // namespace ivshmem
