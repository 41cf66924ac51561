// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/layout.hpp"
#include "channel/topic_area.hpp"
#include "channel/topic_cells.hpp"
#include "channel/topic_number.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ivshmem {

/// The writing end of a topic ("Topics" of channel-layout.md). Reads no word of the shared memory:
/// its numbers are in private memory. Never waits: a message takes the room of the oldest ones.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
template <typename Words>
class topic_producer {
  public:
    topic_producer() = default;
    /// @param section That of the writer. @param place A new topic there, whose words are zero.
    /// @param before The number of the last message before the first one.
    topic_producer(const Words& section, const topic_place& place, std::uint64_t before = 0)
        : section_{section}, place_{place},
          begins_(place.messages), newest_{before}, oldest_{before + 1} {}

    /// Makes room for the next message, and takes it from the oldest ones. The caller must write
    /// the message at payload() between this and publish(). Can be called again instead.
    /// @param length At most the size of the data.
    void reserve(std::uint32_t length) {
        const std::uint64_t needed = layout::topics::whole_grains(length);
        begin_ = tail_;
        if (needed > place_.size - begin_ % place_.size)
            begin_ += place_.size - begin_ % place_.size; // never wraps around the end
        end_ = begin_ + needed;
        const std::uint64_t before = oldest_;
        while (oldest_ <= newest_ && (begins_[at(oldest_)] + place_.size < end_ || is_index_full()))
            section_.store(record(oldest_++) + layout::topic_record::mark, 0);
        if (before != oldest_)
            show_oldest();
    }
    /// As reserve(), in a topic with cells: passes over the messages that readers hold.
    /// @param pins Called after a fence; returns the pins of the readers that have a grant.
    template <typename Pins>
    void reserve(topic_cells& cells, Pins pins) {
        if (is_index_full()) {
            give_up(cells);
            show_oldest();
        }
        if (lent_for_ == newest_ + 1) // a second loan gets the same room
            return;
        if (!cells.has_free() && cells.held() != 0)
            cells.settle(pins());
        while (!cells.has_free()) {
            give_up(cells);
            show_oldest();
            cells.settle(pins());
        }
        begin_ = cells.take();
        lent_for_ = newest_ + 1;
    }
    /// The place of the message: an offset in the section.
    [[nodiscard]] std::uint64_t payload() const noexcept {
        return place_.data + begin_ % place_.size;
    }
    /// Shows the message to the readers. @param length At most the reserved one.
    void publish(std::uint32_t length, std::uint64_t time) {
        ++newest_;
        begins_[at(newest_)] = begin_;
        tail_ = begin_ + layout::topics::whole_grains(length);
        const std::uint64_t to = record(newest_);
        section_.store(to + layout::topic_record::high, topic_number::high(newest_));
        section_.store(to + layout::topic_record::place,
                       static_cast<std::uint32_t>(begin_ % place_.size / layout::topics::grain));
        section_.store(to + layout::topic_record::length, length);
        section_.store(to + layout::topic_record::time_low, static_cast<std::uint32_t>(time));
        section_.store(to + layout::topic_record::time_high,
                       static_cast<std::uint32_t>(time >> 32U));
        section_.publish(to + layout::topic_record::mark, topic_number::mark(newest_));
        section_.publish(place_.entry + layout::topic::newest, topic_number::mark(newest_));
    }
    /// The number of the last message; 0: none.
    [[nodiscard]] std::uint64_t newest() const noexcept { return newest_; }
    [[nodiscard]] const topic_place& place() const noexcept { return place_; }

  private:
    [[nodiscard]] bool is_index_full() const noexcept {
        return newest_ - oldest_ + 1 >= place_.messages;
    }
    void give_up(topic_cells& cells) {
        section_.store(record(oldest_) + layout::topic_record::mark, 0);
        cells.give_up(oldest_, begins_[at(oldest_)]);
        ++oldest_;
    }
    void show_oldest() const {
        section_.store(place_.entry + layout::topic::oldest, topic_number::mark(oldest_));
        Words::fence(); // before pins are read, and anything is written over those messages
    }
    [[nodiscard]] std::size_t at(std::uint64_t number) const noexcept {
        return number & (place_.messages - 1);
    }
    [[nodiscard]] std::uint64_t record(std::uint64_t number) const noexcept {
        return place_.index + at(number) * layout::topic_record::size;
    }

    Words section_{};
    topic_place place_;
    /// Where messages begin, by at(). Positions count bytes from the first message on, with those
    /// at the end of the data that a message did not fit into.
    std::vector<std::uint64_t> begins_;
    std::uint64_t tail_ = 0;  ///< the end of the last message
    std::uint64_t begin_ = 0; ///< of the reserved one
    std::uint64_t end_ = 0;
    std::uint64_t newest_ = 0;
    std::uint64_t oldest_ = 1;   ///< newest_ + 1: none is left
    std::uint64_t lent_for_ = 0; ///< the message that the last cell is for
};

} // namespace ivshmem
