// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "liar.hpp"

#include "channel/layout.hpp"

#include <array>

namespace test {

namespace layout = ivshmem::layout;

namespace {

constexpr std::array block_words{
    layout::block::epoch,     layout::block::ack,   layout::block::flags,
    layout::block::attention, layout::block::limit, layout::block::service,
    layout::block::wake,      layout::block::room,  layout::block::cursor,
    layout::block::cursor,    layout::block::ring,  layout::block::ring + 4,
    layout::block::ring + 24, layout::block::flags};

std::size_t block_of(std::uint32_t slot) {
    return slot * small_section + layout::header::size;
}

} // namespace

std::size_t liar::place(schedule& what) const {
    const std::uint8_t choice = what.byte();
    const std::uint32_t slot = everywhere_ && (choice & 0x80U) != 0 ? slot_ ^ 1U : slot_;
    switch (choice % 8) {
    case 0:
    case 1:
    case 2:
        return block_of(slot) + block_words.at(what.below(block_words.size()));
    case 3:
    case 4:
    case 5: // the offsets of heads and totals
        return block_of(slot) + layout::block::ring + what.below(256) * std::size_t{4};
    case 6:
        return slot * small_section + what.below(layout::header::size / 4) * std::size_t{4};
    default:
        return slot * small_section + what.below(small_section / 4) * std::size_t{4};
    }
}

std::uint32_t liar::value(schedule& what, std::uint32_t now) const {
    switch (what.below(10)) {
    case 0:
        return what.byte();
    case 1:
        return what.byte() * 8U;
    case 2: // the head of a record that may be valid
    case 3:
        return layout::record_valid | what.below(4) << layout::record_kind_shift | what.byte();
    case 4:
        return what.below(2) == 0 ? 0 : ~0U;
    case 5:
        return now + what.byte() * 8U;
    case 6:
        return now - what.byte() * 8U;
    case 7: // the peer's flags at the end
        return words_.load(block_of(slot_ ^ 1U) + block_words.at(what.below(block_words.size())));
    case 8:
        return words_.load(block_of(slot_) + what.below(300) * std::size_t{4});
    default:
        return what.word();
    }
}

void liar::lie(schedule& what) {
    switch (what.below(16)) {
    case 0:
        return meet();
    case 1:
        return beat(what);
    default:
        break;
    }
    const std::size_t at = place(what);
    words_.publish(at, value(what, words_.load(at)));
}

void liar::beat(schedule& what) const {
    constexpr std::array<std::uint32_t, 4> periods{0, 1, 100, layout::heartbeat_period};
    const auto mine = words_.at(slot_ * small_section);
    const std::uint32_t choice = what.byte();
    mine.publish(layout::header::heartbeat,
                 periods.at(choice % 4) | choice / 4 << layout::heartbeat_count_shift);
    mine.publish(layout::header::beating,
                 choice >= 240 ? what.word() : mine.load(layout::header::incarnation));
}

void liar::lie_about_rings(schedule& what) {
    constexpr std::array places{layout::block::cursor, layout::block::wake, layout::block::room};
    const std::size_t offset = what.below(4) == 0
                                   ? places.at(what.below(places.size()))
                                   : layout::block::ring + what.below(256) * std::size_t{4};
    const std::size_t at = block_of(slot_) + offset;
    words_.publish(at, value(what, words_.load(at)));
}

void liar::meet() const {
    const auto mine = words_.at(block_of(slot_));
    const auto theirs = words_.at(block_of(slot_ ^ 1U));
    if (mine.load(layout::block::epoch) == 0)
        mine.publish(layout::block::epoch, 7);
    mine.store(layout::block::flags, 0);
    mine.store(layout::block::attention, layout::attention_wanted);
    mine.store(layout::block::limit, 4096);
    mine.store(layout::block::service, 0);
    mine.store(layout::block::cursor, 0);
    mine.publish(layout::block::ack, theirs.load(layout::block::epoch));
}

} // namespace test
