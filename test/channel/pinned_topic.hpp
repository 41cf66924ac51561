// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "topics_fixture.hpp"

#include <algorithm>

namespace test {

using ivshmem::topic_pin;

inline constexpr std::size_t frame = 256;

/// Room for seven frames: two that each of two readers holds, one on loan, and two more.
inline constexpr ivshmem::topic_options frames{
    .size = 7 * frame, .max_message = frame, .pinning_readers = 2, .pins_each = 2};

inline topic_reader pinning(const slot& in, std::uint32_t pins = 2) {
    return topic_reader::open(in, "video", {.pins = pins});
}

/// Publishes a frame whose bytes are all its number.
inline void publish(topic_writer& to) {
    const auto lent = to.loan(frame);
    std::fill(lent.begin(), lent.end(), static_cast<std::byte>(to.sequence() + 1));
    to.publish();
}

inline bool is_whole(const ivshmem::topic_message& message) {
    return message.bytes.size() == frame &&
           std::all_of(message.bytes.begin(), message.bytes.end(), [&](std::byte each) {
               return each == static_cast<std::byte>(message.sequence);
           });
}

/// Publishes and holds a frame.
inline topic_pin next_held(topic_writer& from, topic_reader& in) {
    publish(from);
    const auto view = in.try_view();
    REQUIRE(view.has_value());
    return in.pin(*view);
}

/// The pins of slot 1 for the topics of slot 0.
inline ivshmem::shared_words pins_of_b(const two_holders& peers) {
    return section_of(peers, 1).at(area{}.row(0) + layout::topics::pins);
}

} // namespace test
