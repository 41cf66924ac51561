// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/layout.hpp"
#include "channel/topic_number.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ivshmem {

/// A pin of a reader that has a grant, as it was read.
struct topic_pin_seen {
    std::uint32_t reader = 0; ///< the index of its grant
    std::uint32_t mark = 0;
    std::uint32_t tag = 0;
};

/// The room of a topic whose messages readers may pin: cells, each for one message of any length,
/// so that a message which is held leaves no gap that the next one does not fit into. Private
/// memory of the writer; allocates nothing after its construction.
///
/// At most readers x pins_each messages are held, whatever the pins say. There are more cells, so
/// a message always finds one.
class topic_cells {
  public:
    /// @param count At least readers x pins_each + 1. @param size Of each, in bytes.
    topic_cells(std::uint32_t count, std::uint64_t size, std::uint32_t pins_each, std::uint32_t key)
        : size_{size}, pins_each_{pins_each}, key_{key} {
        free_.reserve(count);
        given_up_.reserve(count);
        for (std::uint32_t cell = count; cell-- > 0;)
            free_.push_back(cell);
    }

    [[nodiscard]] bool has_free() const noexcept { return !free_.empty(); }
    /// Takes a cell. @pre has_free() @return Its place in the data, in bytes.
    std::uint64_t take() {
        const std::uint32_t cell = free_.back();
        free_.pop_back();
        return cell * size_;
    }
    /// A message was given up, and readers may hold it. @param place What take() returned.
    void give_up(std::uint64_t number, std::uint64_t place) {
        given_up_.push_back({number, static_cast<std::uint32_t>(place / size_)});
    }
    /// Frees the cells of the messages that no pin holds. @param pins Read after a fence that
    /// followed the last give_up().
    void settle(std::span<const topic_pin_seen> pins) {
        std::array<std::uint32_t, layout::topics::most_grants> holds{};
        std::size_t kept = 0;
        for (const given_up& each : given_up_) {
            if (is_held(each.number, pins, holds))
                given_up_[kept++] = each;
            else
                free_.push_back(each.cell);
        }
        given_up_.resize(kept);
    }
    /// How many messages that were given up are held.
    [[nodiscard]] std::size_t held() const noexcept { return given_up_.size(); }

  private:
    struct given_up {
        std::uint64_t number = 0;
        std::uint32_t cell = 0;
    };

    /// @param holds How many messages each reader holds, to which this one is added.
    [[nodiscard]] bool
    is_held(std::uint64_t number, std::span<const topic_pin_seen> pins,
            std::array<std::uint32_t, layout::topics::most_grants>& holds) const {
        bool held = false;
        for (const topic_pin_seen& pin : pins) {
            if (pin.mark != topic_number::mark(number) ||
                pin.tag != topic_number::tag(key_, number) || holds[pin.reader] == pins_each_)
                continue;
            ++holds[pin.reader];
            held = true;
        }
        return held;
    }

    std::uint64_t size_;
    std::uint32_t pins_each_;
    std::uint32_t key_;
    std::vector<std::uint32_t> free_;
    std::vector<given_up> given_up_; ///< that are held, as far as is known; the oldest first
};

} // namespace ivshmem
