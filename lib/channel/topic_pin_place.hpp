// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/slot_impl.hpp"
#include "channel/slot_topics.hpp"
#include "channel/topic_consumer.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace ivshmem {

/// A pin of a reader of this slot (T14 of channel-layout.md), from the time when the reader asks
/// for a grant until neither it nor a message that it holds needs it.
///
/// @par Thread Safety
/// As the slot.
class topic_pin_place {
  public:
    using consumer = topic_consumer<shared_words>;

    /// Takes a pin, and asks for a grant with it. @return Null: all that the slot has for the
    /// writer, or that the writer lets it have, are in use.
    static std::shared_ptr<topic_pin_place> take(const std::shared_ptr<slot::impl>& in,
                                                 const found_topic& of, std::uint32_t most);

    topic_pin_place(std::shared_ptr<slot::impl> in, const found_topic& of, std::size_t index);
    topic_pin_place(const topic_pin_place&) = delete;
    topic_pin_place& operator=(const topic_pin_place&) = delete;
    /// Asks no more.
    ~topic_pin_place();

    [[nodiscard]] bool holds_message() const noexcept { return held_; }
    /// Holds a message. @return Whether it is held, so that it stays.
    [[nodiscard]] bool hold(const consumer& by, const topic_record& message);
    /// Whether the writer honours the pin since hold(), so that all that was read of the message is
    /// what was published.
    [[nodiscard]] bool stands() const;
    void release() noexcept;

    /// The word of a grant that this slot has; 0: none.
    [[nodiscard]] static std::uint32_t find_grant(const slot::impl& in, const found_topic& of);

  private:
    [[nodiscard]] std::uint64_t pin() const noexcept;

    const std::shared_ptr<slot::impl> slot_;
    const found_topic topic_;
    const std::size_t index_;
    std::uint32_t grant_ = 0; ///< the word that the message is held with
    std::uint32_t mark_ = 0;  ///< of the pin, as the next one
    std::uint32_t tag_ = 0;
    bool held_ = false;
};

} // namespace ivshmem
