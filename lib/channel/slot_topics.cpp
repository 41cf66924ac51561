// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/slot_topics.hpp"

#include "base/random_word.hpp"
#include "channel/slot_impl.hpp"

#include <algorithm>
#include <bit>

namespace ivshmem {

using words = shared_words;

namespace {

constexpr std::uint64_t grain = layout::topics::grain;
/// Its data has no more bytes, so that a message may take all of it.
constexpr std::uint64_t largest_data = (std::uint64_t{1} << 32U) - grain;
/// The share of the room that a topic takes unless it is told its size.
constexpr std::uint64_t default_share = 4;
/// The room that a topic of that size has for each message.
constexpr std::uint64_t default_message = 128;

std::uint64_t whole_grains(std::uint64_t size) {
    return (size + grain - 1) / grain * grain;
}

std::uint64_t index_size(std::uint32_t messages) {
    return std::uint64_t{messages} * layout::topic_record::size;
}

} // namespace

void slot_topics::clear(const words& mine, std::uint32_t slots) const {
    if (!area_.exists())
        return;
    for (std::size_t number = 0; number < layout::topics::per_slot; ++number)
        mine.publish(area_.entry(number) + layout::topic::key, 0);
    for (std::uint32_t slot = 0; slot < slots; ++slot)
        for (std::size_t at = 0; at < layout::topics::row_size; at += sizeof(std::uint32_t))
            mine.store(area_.row(slot) + at, 0);
    words::fence(); // before a topic is written over those that were there
}

slot_topics::sizes slot_topics::sizes_for(const topic_options& options, failure& f) const {
    const std::uint64_t room = (area_.end() - area_.room()) / default_share;
    const std::uint64_t data = options.size != 0 ? options.size : room;
    std::uint32_t messages = options.messages;
    if (messages == 0)
        messages = static_cast<std::uint32_t>(std::bit_floor(
            std::clamp<std::uint64_t>(data / default_message, 2, layout::topics::most_messages)));
    if (options.size > largest_data || messages > layout::topics::most_messages) {
        f.set(std::make_error_code(std::errc::invalid_argument),
              formatted("topic_options: at most {} bytes and {} messages", largest_data,
                        layout::topics::most_messages));
        return {};
    }
    messages = std::max(2U, std::bit_ceil(messages));
    if (options.size != 0)
        return {messages, whole_grains(options.size)};
    const std::uint64_t index = index_size(messages);
    return {messages, std::min(largest_data,
                               std::max(grain, (room - std::min(room, index)) / grain * grain))};
}

/// Whether a peer writes a topic of that name.
bool slot_topics::is_taken(const slot::impl& in, const name_bytes& name) const {
    for (std::uint32_t slot = 0; slot < in.geometry().slots; ++slot)
        if (const auto found = find(in, slot, name);
            found && !found->ended && in.find_holder(slot) && !in.is_lost(slot))
            return true;
    return false;
}

/// The begin of the first gap between the topics that is large enough.
/// @param keep Whether those that have ended keep their room.
std::optional<std::uint64_t> slot_topics::gap_for(std::uint64_t size, bool keep) const {
    std::uint64_t at = whole_grains(area_.room());
    for (bool moved = true; moved;) {
        moved = false;
        for (const owned& each : owned_)
            if (each.key != 0 && (keep || each.open) && each.begin < at + size && at < each.end) {
                at = each.end;
                moved = true;
            }
    }
    return at <= area_.end() && size <= area_.end() - at ? std::optional{at} : std::nullopt;
}

/// Gives up what is left of a topic that has ended.
void slot_topics::drop(const words& mine, std::size_t number) {
    mine.publish(area_.entry(number) + layout::topic::key, 0);
    words::fence(); // before its room is written to
    owned_.at(number).key = 0;
}

slot_topics::own_topic slot_topics::create(slot::impl& in, std::string_view name,
                                           const topic_options& options, failure& f) {
    const name_bytes bytes = checked_name(name, f);
    if (!f && !area_.exists())
        f.set(errc::topics_unsupported, "{}: {}", name,
              make_error_code(errc::topics_unsupported).message());
    if (f)
        return {};
    const auto same = [&](const owned& o) {
        return o.open && o.name == bytes;
    };
    if (std::any_of(owned_.begin(), owned_.end(), same) || is_taken(in, bytes)) {
        f.set(errc::topic_exists, "{}: {}", name, make_error_code(errc::topic_exists).message());
        return {};
    }
    const auto [messages, data] = sizes_for(options, f);
    if (f)
        return {};
    const words mine = in.header(in.number());
    const std::uint64_t needed = index_size(messages) + data;
    const auto is_open = [](const owned& o) {
        return o.open;
    };
    if (!gap_for(needed, false) && !std::all_of(owned_.begin(), owned_.end(), is_open)) {
        f.set(errc::region_too_small,
              "{}: a topic of {} bytes needs {}, and the section has {} for all topics; take a "
              "smaller one (topic_options::size), or smaller rings",
              name, data, needed, area_.end() - area_.room());
        return {};
    }
    // One that has ended is as good as unused, but readers may still read what it left.
    const auto is_unused = [](const owned& o) {
        return o.key == 0;
    };
    for (std::size_t number = 0; number < owned_.size(); ++number)
        if (owned& each = owned_.at(number);
            each.key != 0 && !each.open &&
            (each.name == bytes || !gap_for(needed, true) ||
             std::none_of(owned_.begin(), owned_.end(), is_unused)))
            drop(mine, number);
    const auto unused = std::find_if(owned_.begin(), owned_.end(), is_unused);
    if (unused == owned_.end()) {
        f.set(errc::directory_full, "{}: slot {} writes {} topics, the most it can", name,
              in.number(), layout::topics::per_slot);
        return {};
    }
    std::vector<std::uint32_t> answered(in.geometry().slots); // before anything changes
    own_topic made{static_cast<std::uint32_t>(unused - owned_.begin()), random_word(), {}};
    const std::uint64_t gap = gap_for(needed, true).value();
    made.place = {area_.entry(made.number), gap, gap + index_size(messages), data, messages};
    const std::uint32_t flags = options.relayed ? layout::topic_relayed : 0;
    *unused = {made.key, true, flags, gap, gap + needed, bytes, std::move(answered)};
    for (std::uint64_t at = 0; at < index_size(messages); at += layout::topic_record::size)
        mine.store(made.place.index + at + layout::topic_record::mark, 0);
    const words entry = mine.at(made.place.entry);
    entry.store(layout::topic::flags, flags);
    entry.store(layout::topic::index, static_cast<std::uint32_t>(made.place.index / grain));
    entry.store(layout::topic::messages, messages);
    entry.store(layout::topic::data, static_cast<std::uint32_t>(made.place.data / grain));
    entry.store(layout::topic::size, static_cast<std::uint32_t>(data / grain));
    entry.store(layout::topic::newest, 0);
    entry.store(layout::topic::oldest, layout::topic_mark_valid | 1U);
    entry.write(layout::topic::name, bytes);
    entry.publish(layout::topic::key, made.key);
    words::fence(); // of two that come at the same time, at least one sees the other
    if (is_taken(in, bytes)) {
        unused->open = false;
        drop(mine, made.number);
        f.set(errc::topic_exists, "{}: {}", name, make_error_code(errc::topic_exists).message());
        return {};
    }
    in.ring_everyone(); // readers may wait for the name
    return made;
}

void slot_topics::end(slot::impl& in, const own_topic& ended) {
    owned& of = owned_.at(ended.number);
    if (of.key != ended.key || !std::exchange(of.open, false) || !in.usable())
        return;
    in.header(in.number())
        .publish(ended.place.entry + layout::topic::flags, of.flags | layout::topic_ended);
    wake_readers(in, ended.number);
}

void slot_topics::end_all(const words& mine) {
    for (std::size_t number = 0; number < owned_.size(); ++number)
        if (owned& of = owned_.at(number); std::exchange(of.open, false))
            mine.publish(area_.entry(number) + layout::topic::flags,
                         of.flags | layout::topic_ended);
}

unsigned slot_topics::wake_readers(const slot::impl& in, std::uint32_t number) {
    std::vector<std::uint32_t>& answered = owned_.at(number).answered;
    words::fence(); // after what was published
    unsigned rung = 0;
    for (std::uint32_t slot = 0; slot < in.geometry().slots; ++slot) {
        if (slot == in.number())
            continue;
        // Looked at: what the reader wrote before it, the header, is seen after it.
        const std::uint32_t word = in.header(slot).look(wanted(in.number(), number));
        if ((word & layout::wake_data) == 0 || word == answered[slot])
            continue;
        const auto holder = in.find_holder(slot);
        if (!holder || !in.has_topics(slot))
            continue; // not answered: the holder may be there again when the next one is published
        in.ring(holder->peer, static_cast<std::uint16_t>(word >> layout::wake_vector_shift));
        answered[slot] = word;
        ++rung;
    }
    return rung;
}

std::optional<found_topic> slot_topics::find(const slot::impl& in, std::uint32_t slot,
                                             const name_bytes& name) const {
    if (slot == in.number() || !area_.exists() || !in.has_topics(slot))
        return std::nullopt;
    const words section = in.header(slot);
    std::optional<found_topic> left;
    for (std::uint32_t number = 0; number < layout::topics::per_slot; ++number) {
        const words entry = section.at(area_.entry(number));
        const std::uint32_t key = entry.look(layout::topic::key);
        if (key == 0)
            continue;
        name_bytes there;
        entry.read(layout::topic::name, there);
        const std::uint32_t flags = entry.look(layout::topic::flags);
        words::fence();
        if (there != name || entry.look(layout::topic::key) != key)
            continue;
        const found_topic found{slot, number, key, (flags & layout::topic_ended) != 0,
                                (flags & layout::topic_relayed) != 0};
        if (!found.ended)
            return found;
        if (!left)
            left = found;
    }
    return left;
}

std::optional<topic_place> slot_topics::place_of(const slot::impl& in,
                                                 const found_topic& topic) const {
    return area_.place_in(in.header(topic.slot), topic.number);
}

void slot_topics::ask(slot::impl& in, const found_topic& topic) {
    const auto [at, is_new] = wishes_.try_emplace({topic.slot, topic.number});
    wish& of = at->second;
    if (is_new) // the writer may have answered words of an earlier holder of this slot
        of.asked = random_word();
    ++of.sleepers;
    ++of.asked;
    in.header(in.number())
        .publish(wanted(topic.slot, topic.number),
                 layout::wake_data |
                     (of.asked & layout::wake_count_mask) << layout::wake_count_shift |
                     std::uint32_t{in.vector()} << layout::wake_vector_shift);
    words::fence(); // before the caller looks
}

void slot_topics::withdraw(slot::impl& in, const found_topic& topic) noexcept {
    const auto at = wishes_.find({topic.slot, topic.number});
    if (at == wishes_.end() || at->second.sleepers == 0 || --at->second.sleepers != 0)
        return;
    if (in.usable())
        in.header(in.number()).store(wanted(topic.slot, topic.number), 0);
}

} // namespace ivshmem
