// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/topic_grants.hpp"

#include "channel/slot_impl.hpp"
#include "channel/topic_number.hpp"

#include <algorithm>

namespace ivshmem {

using words = shared_words;

namespace {

std::uint64_t grant_at(const topic_place& of, std::size_t index) {
    return of.entry + layout::topic::grants + index * layout::topic_grant::size;
}

} // namespace

bool topic_grants::asks(const words& row, std::uint32_t key, std::uint64_t newest) {
    for (std::size_t pin = 0; pin < layout::topics::pins_per_row; ++pin) {
        const std::uint32_t tag =
            row.load(layout::topics::pins + pin * layout::topic_pin::size + layout::topic_pin::tag);
        if (tag != 0 && tag - key <= topic_number::high(newest)) // 0: a pin without a use
            return true;
    }
    return false;
}

bool topic_grants::asks(const slot::impl& in, std::uint32_t slot, std::uint64_t newest) const {
    return asks(in.header(slot).at(in.topics().area().row(in.number())), topic_.key, newest);
}

bool topic_grants::has_grant(std::uint32_t slot) const noexcept {
    return std::any_of(grants_.begin(), grants_.end(),
                       [&](const grant& each) { return each.word != 0 && each.slot == slot; });
}

void topic_grants::give(const slot::impl& in, std::size_t index, const slot_holder& to) {
    grant& given = grants_.at(index);
    given = {layout::topic_grant_valid |
                 (++given_ & layout::topic_grant_number) << layout::topic_grant_shift | to.slot,
             to.slot, to.incarnation};
    const words entry = in.header(in.number());
    const std::uint64_t at = grant_at(topic_.place, index);
    entry.store(at + layout::topic_grant::incarnation, to.incarnation);
    entry.publish(at + layout::topic_grant::reader, given.word);
}

void topic_grants::update(const slot::impl& in, std::uint64_t newest) {
    bool taken = false;
    bool left = false;
    const auto in_use = std::span{grants_}.first(topic_.pinning_readers);
    for (std::size_t index = 0; index < in_use.size(); ++index) {
        grant& each = in_use[index];
        if (each.word != 0) {
            const auto holder = in.find_holder(each.slot);
            if (holder && holder->incarnation == each.incarnation && !in.is_lost(each.slot) &&
                asks(in, each.slot, newest))
                continue;
            in.header(in.number())
                .publish(grant_at(topic_.place, index) + layout::topic_grant::reader, 0);
            each = {};
            taken = true;
        }
        left = true;
    }
    if (taken)
        words::fence(); // before anything is written over what was held
    for (std::uint32_t slot = 0; left && slot < in.geometry().slots; ++slot) {
        if (slot == in.number() || has_grant(slot) || !in.has_topics(slot) ||
            !asks(in, slot, newest))
            continue;
        const auto holder = in.find_holder(slot);
        if (!holder || in.is_lost(slot))
            continue;
        const auto none = std::find_if(in_use.begin(), in_use.end(),
                                       [](const grant& each) { return each.word == 0; });
        left = none != in_use.end();
        if (left)
            give(in, static_cast<std::size_t>(none - in_use.begin()), *holder);
    }
}

std::span<const topic_pin_seen> topic_grants::pins(const slot::impl& in) {
    std::size_t seen = 0;
    for (std::uint32_t reader = 0; reader < topic_.pinning_readers; ++reader) {
        const grant& each = grants_.at(reader);
        if (each.word == 0)
            continue;
        const words row =
            in.header(each.slot).at(in.topics().area().row(in.number()) + layout::topics::pins);
        for (std::size_t pin = 0; pin < layout::topics::pins_per_row; ++pin) {
            const std::size_t at = pin * layout::topic_pin::size;
            const std::uint32_t mark = row.look(at + layout::topic_pin::mark);
            if (mark != 0)
                seen_.at(seen++) = {reader, mark, row.load(at + layout::topic_pin::tag)};
        }
    }
    return std::span{seen_}.first(seen);
}

} // namespace ivshmem
