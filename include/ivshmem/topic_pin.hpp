// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>
#include <ivshmem/topic_message.hpp>

#include <memory>

namespace ivshmem {

/// Holds a message of a topic in the section of its writer, without a copy: the writer passes over
/// its room until it is released (topic_reader::pin()).
///
/// Messages can be held for any time and released in any order. A message stays as it was published
/// also after the reader was closed, and after its topic ended until the writer needs the room for
/// another topic. A hostile writer can change it at any time: read each byte once.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe, if their slots are distinct. @e Shared @e objects: Unsafe; it
/// counts as one object with the slot.
class IVSHMEM_API topic_pin {
  public:
    /// Holds nothing.
    topic_pin() noexcept;
    topic_pin(topic_pin&& other) noexcept;
    topic_pin& operator=(topic_pin&& other) noexcept;
    topic_pin(const topic_pin&) = delete;
    topic_pin& operator=(const topic_pin&) = delete;
    /// As release().
    ~topic_pin();

    [[nodiscard]] bool is_open() const noexcept { return place_ != nullptr; }
    /// The message; empty if nothing is held.
    [[nodiscard]] const topic_message& message() const noexcept { return message_; }
    /// Whether the message is still held, so that all that was read of it before this call is what
    /// the writer published. It is not any more if the writer took this reader for lost (it was
    /// stopped for longer than its heartbeat allows), or the slot was lost or closed, or the topic
    /// has ended and its room was used again, or a former holder of the slot wrote over the pin.
    [[nodiscard]] bool still_valid() const;
    /// Lets the writer use the room again. Its time does not matter: the writer never waits for it.
    void release() noexcept;

  private:
    friend class topic_reader;

    std::shared_ptr<class topic_pin_place> place_;
    topic_message message_{};
};

} // namespace ivshmem
