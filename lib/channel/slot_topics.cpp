// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/slot_topics.hpp"

#include "base/random_word.hpp"
#include "channel/slot_impl.hpp"
#include "channel/topic_sizes.hpp"

#include <algorithm>

namespace ivshmem {

using words = shared_words;
using layout::topics::grain;
using layout::topics::whole_grains;

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
                                           const topic_options& options,
                                           const std::function<void(const own_topic&)>& prepare,
                                           failure& f) {
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
    const std::uint64_t room = area_.end() - area_.room();
    const auto sizes = topic_sizes::choose(options, room, f);
    if (f)
        return {};
    const words mine = in.header(in.number());
    const std::uint64_t needed = sizes.index() + sizes.data;
    const auto is_open = [](const owned& o) {
        return o.open.load();
    };
    if (!gap_for(needed, false) && !std::all_of(owned_.begin(), owned_.end(), is_open)) {
        f.set(errc::region_too_small,
              "{}: a topic of {} bytes needs {}, and the section has {} for all topics; take a "
              "smaller one (topic_options::size), or smaller rings",
              name, sizes.data, needed, room);
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
    own_topic made{static_cast<std::uint32_t>(unused - owned_.begin()), random_word(), {}};
    const std::uint64_t gap = gap_for(needed, true).value();
    made.place = {area_.entry(made.number), gap, gap + sizes.index(), sizes.data, sizes.messages};
    made.longest = sizes.longest;
    made.pinning_readers = options.pinning_readers;
    made.pins_each = options.pinning_readers != 0 ? options.pins_each : 0;
    const std::uint32_t flags = options.relayed ? layout::topic_relayed : 0;
    // What takes memory comes before anything is shown, so that nothing is left if there is none.
    unused->answered.assign(in.geometry().slots, 0);
    prepare(made);
    unused->key = made.key;
    unused->open = true;
    unused->flags = flags;
    unused->begin = gap;
    unused->end = gap + needed;
    unused->name = bytes;
    for (std::uint64_t at = 0; at < sizes.index(); at += layout::topic_record::size)
        mine.store(made.place.index + at + layout::topic_record::mark, 0);
    const words entry = mine.at(made.place.entry);
    entry.store(layout::topic::flags, flags);
    entry.store(layout::topic::index, static_cast<std::uint32_t>(made.place.index / grain));
    entry.store(layout::topic::messages, sizes.messages);
    entry.store(layout::topic::data, static_cast<std::uint32_t>(made.place.data / grain));
    entry.store(layout::topic::size, static_cast<std::uint32_t>(sizes.data / grain));
    entry.store(layout::topic::pins, made.pins_each);
    for (std::size_t grant = 0; grant < layout::topics::most_grants; ++grant)
        entry.store(layout::topic::grants + grant * layout::topic_grant::size, 0);
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
    if (of.key != ended.key || !of.open.exchange(false) || !in.still_held())
        return;
    in.header(in.number())
        .publish(ended.place.entry + layout::topic::flags, of.flags | layout::topic_ended);
    wake_readers(in, ended.number);
}

void slot_topics::end_all(const words& mine) {
    for (std::size_t number = 0; number < owned_.size(); ++number)
        if (owned& of = owned_.at(number); of.open.exchange(false))
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
    if (in.still_held())
        in.header(in.number()).store(wanted(topic.slot, topic.number), 0);
}

std::optional<std::size_t> slot_topics::find_pin(const found_topic& of, std::uint32_t most) const {
    const auto at = pins_.find(of.slot);
    if (at == pins_.end())
        return most != 0 ? std::optional<std::size_t>{0} : std::nullopt;
    const auto& keys = at->second;
    const auto unused = std::find(keys.begin(), keys.end(), 0U);
    const auto used = std::count(keys.begin(), keys.end(), of.key);
    if (unused == keys.end() || static_cast<std::uint32_t>(used) >= most)
        return std::nullopt;
    return unused - keys.begin();
}

void slot_topics::use_pin(const found_topic& of, std::size_t index) {
    pins_[of.slot].at(index) = of.key;
}

void slot_topics::give_back_pin(const found_topic& of, std::size_t index) noexcept {
    if (const auto at = pins_.find(of.slot); at != pins_.end())
        at->second.at(index) = 0;
}

} // namespace ivshmem
