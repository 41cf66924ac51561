// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/twins.hpp"
#include "channel/header_search.hpp"
#include "channel/slot_impl.hpp"

#include <ivshmem/topic_info.hpp>

#include <algorithm>
#include <optional>

namespace ivshmem {

using words = shared_words;

namespace {

/// Of a step that a writer undoes: it may write faster than this side looks.
constexpr int attempts = 3;

/// Reads the number and the time of the last message.
void read_last(const words& section, const topic_place& place, topic_info& to) {
    for (int attempt = 0; attempt < attempts; ++attempt) {
        const std::uint32_t newest = section.look(place.entry + layout::topic::newest);
        if (newest == 0)
            return;
        const words record = section.at(place.index + std::uint64_t{newest & (place.messages - 1)} *
                                                          layout::topic_record::size);
        const std::uint32_t high = record.look(layout::topic_record::high);
        const std::uint64_t low_time = record.look(layout::topic_record::time_low);
        const std::uint64_t high_time = record.look(layout::topic_record::time_high);
        to.sequence =
            std::uint64_t{high} << layout::topic_mark_bits | (newest & layout::topic_mark_number);
        if (record.look(layout::topic_record::mark) == newest &&
            record.look(layout::topic_record::high) == high) {
            to.time = topic_message::time_point{std::chrono::nanoseconds{
                static_cast<std::chrono::nanoseconds::rep>(high_time << 32U | low_time)}};
            return;
        }
    }
}

/// Reads an entry of the table of topics, if it is one that can be found by its name.
std::optional<topic_info> read_entry(const words& section, const topic_area& area,
                                     std::uint32_t number) {
    const words entry = section.at(area.entry(number));
    topic_info read;
    read.number = number;
    read.key = entry.look(layout::topic::key);
    if (read.key == 0)
        return std::nullopt;
    name_bytes bytes;
    entry.read(layout::topic::name, bytes);
    const std::uint32_t flags = entry.look(layout::topic::flags);
    const auto place = area.place_in(section, number);
    if (place)
        read_last(section, *place, read);
    words::fence(); // the key is cleared before the rest is written again
    read.name = name_in(bytes);
    if (!place || read.name.empty() || entry.look(layout::topic::key) != read.key)
        return std::nullopt;
    read.size = place->size;
    read.messages = place->messages;
    read.ended = (flags & layout::topic_ended) != 0;
    read.relayed = (flags & layout::topic_relayed) != 0;
    return read;
}

/// Appends the topics in the section of a slot. @param gone The slot has no living holder.
void read_table(const words& section, const topic_area& area, std::uint32_t slot, bool gone,
                std::vector<topic_info>& to) {
    for (std::uint32_t number = 0; number < layout::topics::per_slot; ++number)
        if (auto read = read_entry(section, area, number)) {
            read->slot = slot;
            read->lost = gone && !read->ended;
            to.push_back(std::move(*read));
        }
}

void refuse(failure& f) {
    f.set(errc::topics_unsupported, "topics: {}",
          make_error_code(errc::topics_unsupported).message());
}

std::vector<topic_info> list_in(std::span<const std::byte> memory, failure& f) {
    const words all{const_cast<std::byte*>(memory.data()), false}; // NOLINT: only read
    std::vector<topic_info> found;
    bool divided = false;
    bool room = false;
    for (const found_header& header : find_sections(all, memory.size())) {
        const division& of = header.words.divides;
        const topic_area area{of};
        divided = true;
        if (!area.exists() || of.section_size > memory.size() - header.offset)
            continue;
        room = true;
        if (header.words.has_topics())
            read_table(all.at(header.offset), area, header.words.slot, !header.held, found);
    }
    if (divided && !room)
        refuse(f);
    return found;
}

} // namespace

std::vector<topic_info> slot_topics::list(const slot& in, failure& f) {
    return in_usable(in.impl_.get(), f, [&](const slot::impl& own) {
        std::vector<topic_info> found;
        const topic_area& area = own.topics().area();
        if (!area.exists())
            refuse(f);
        for (std::uint32_t slot = 0; !f && slot < own.geometry().slots; ++slot)
            if (own.has_topics(slot))
                read_table(own.header(slot), area, slot,
                           slot != own.number() && (!own.find_holder(slot) || own.is_lost(slot)),
                           found);
        return found;
    });
}

std::vector<topic_info> find_topics(const slot& in) {
    return throwing([&](failure& f) { return slot_topics::list(in, f); });
}

std::vector<topic_info> find_topics(const slot& in, std::error_code& ec) {
    return reporting(ec, [&](failure& f) { return slot_topics::list(in, f); });
}

std::vector<topic_info> find_topics(std::span<const std::byte> memory) {
    return throwing([&](failure& f) { return list_in(memory, f); });
}

std::vector<topic_info> find_topics(std::span<const std::byte> memory, std::error_code& ec) {
    return reporting(ec, [&](failure& f) { return list_in(memory, f); });
}

} // namespace ivshmem
