// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/error.hpp>
#include <ivshmem/export.hpp>
#include <ivshmem/slot.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>

namespace ivshmem {

/// Chooses the room of a topic.
struct topic_options {
    /// The bytes for messages; each message takes a multiple of 64. Up to 4 GiB - 64. 0: with the
    /// index, a quarter of the room for topics in the section.
    std::uint64_t size = 0;
    /// How many messages there can be at once, one less during a loan: the next power of two, up to
    /// 65536; each takes 32 bytes. 0: one for each 128 bytes.
    std::uint32_t messages = 0;
    /// Says that the messages come from elsewhere, such as another region. A program that passes
    /// topics on leaves out such a topic, so that no message goes round in a circle.
    bool relayed = false;
    /// The longest message, in bytes. 0: all of the size, or with pins what they leave.
    std::uint64_t max_message = 0;
    /// How many readers may pin messages (topic_reader::pin()), up to 8: those that ask first, each
    /// until it ends or is lost. Such a topic has a cell of max_message bytes for each message, and
    /// at least pinning_readers * pins_each + 2 of them, so that the writer always finds
    /// room.
    std::uint32_t pinning_readers = 0;
    /// How many messages each of them may hold at once: 1 to 8.
    std::uint32_t pins_each = 2;
};

/// Writes a topic: messages for any number of readers, which find it by its name (topic_reader).
///
/// A topic is a ring in the section of this slot. Publishing never waits: a new message takes the
/// room of the oldest ones, whether they were read or not. A reader that is too slow skips
/// messages, and is told how many; no reader slows the writer or another reader. Readers come and
/// go without the writer's doing, and write to their own sections only.
///
/// The memory for topics is what channels leave of a section (channel-layout.md, "Topics"): an
/// eighth with the geometry that is chosen by default. 16 topics fit in a slot.
///
/// Topics need no loop: a publishing program only keeps its slot (slot::answer_claims(), or
/// asio::slot).
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe, if their slots are distinct. @e Shared @e objects: Unsafe; it
/// counts as one object with the slot.
class IVSHMEM_API topic_writer {
  public:
    /// Makes a closed writer.
    topic_writer() noexcept;
    topic_writer(topic_writer&& other) noexcept;
    topic_writer& operator=(topic_writer&& other) noexcept;
    topic_writer(const topic_writer&) = delete;
    topic_writer& operator=(const topic_writer&) = delete;
    /// As close().
    ~topic_writer();

    /// Makes a topic, and wakes readers that wait for it.
    /// @param in Must stay open for as long as the writer is used.
    /// @param name 1 to 59 bytes of UTF-8 without control characters. Names of topics and of
    /// services do not collide.
    /// @throws error errc::topics_unsupported (the region has no room for topics),
    /// bad_service_name, topic_exists (this slot or a peer that is not known to be gone writes it),
    /// directory_full (16 topics), region_too_small (the other topics of this slot leave less, or
    /// the size is too small for the pins),
    /// closed, slot_lost, slot_overwritten, forked; a system error (std::errc::invalid_argument:
    /// options beyond their ranges).
    [[nodiscard]] static topic_writer create(const slot& in, std::string_view name,
                                             const topic_options& options = {});
    [[nodiscard]] static topic_writer create(const slot& in, std::string_view name,
                                             const topic_options& options, std::error_code& ec);

    /// Ends the topic: readers receive the messages that are there, and then errc::topic_closed.
    /// The messages stay until the slot needs their room.
    void close() noexcept;
    /// Whether the writer was created and not closed. It may have lost its slot.
    [[nodiscard]] bool is_open() const noexcept { return impl_ != nullptr; }

    /// Publishes a copy of a message, which may be empty. Bounded work: it looks at a word of each
    /// other slot, and rings those whose readers sleep.
    /// @throws error errc::message_too_large (longer than max_message()), closed, slot_lost,
    /// slot_overwritten, forked.
    void publish(std::span<const std::byte> message);
    void publish(std::span<const std::byte> message, std::error_code& ec);

    /// Returns memory in the section itself for the next message, so that it need not be copied.
    /// Its content is undefined. Messages that had this room can be read no more. A second loan
    /// replaces the first one; publish(std::span) makes it void.
    /// @throws error as publish().
    [[nodiscard]] std::span<std::byte> loan(std::size_t size);
    [[nodiscard]] std::span<std::byte> loan(std::size_t size, std::error_code& ec);
    /// Publishes the message in the memory of the last loan(), which must not be written to any
    /// more.
    /// @throws error errc::not_connected: nothing is on loan. closed, slot_lost, slot_overwritten,
    /// forked.
    void publish();
    void publish(std::error_code& ec);

    /// @name Facts
    /// @{

    /// The longest message, in bytes: all of the ring, or topic_options::max_message. 0: closed.
    [[nodiscard]] std::size_t max_message() const noexcept;
    /// The number of the last message: 0 at first, 1 after the first one.
    [[nodiscard]] std::uint64_t sequence() const noexcept;
    /// How often a reader was rung.
    [[nodiscard]] std::uint64_t rings() const noexcept;
    /// @}

  private:
    class IVSHMEM_HIDDEN impl;

    IVSHMEM_HIDDEN explicit topic_writer(std::unique_ptr<impl> made) noexcept;

    std::unique_ptr<impl> impl_;
};

} // namespace ivshmem
