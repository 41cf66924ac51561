// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/error.hpp>
#include <ivshmem/export.hpp>
#include <ivshmem/slot.hpp>
#include <ivshmem/topic_message.hpp>
#include <ivshmem/topic_pin.hpp>
#include <ivshmem/topic_state.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <vector>

namespace ivshmem {

/// Chooses where a reader begins.
struct topic_reader_options {
    /// How many of the messages that are there already to read first; fewer if there are fewer. It
    /// has no meaning for a topic that begins while the reader waits for it: of such a one, all
    /// messages are read.
    std::uint64_t history = 0;
    /// Looks for messages without being rung. Always in effect without interrupts.
    bool polling = false;
    /// The longest message that is copied into a vector, in bytes, so that a writer cannot make
    /// this side take more memory. Views have no limit.
    std::size_t max_message = std::size_t{64} << 20U;
    /// How many messages to hold at once with pin(), 0 to 8: the reader asks the writer for that.
    std::uint32_t pins = 0;
};

/// Reads a topic that a peer writes (topic_writer), found by its name, in any start order. Never
/// blocks: asio::topic_reader waits, and arm() is for other event loops.
///
/// A reader never slows the writer. If the writer overwrites messages that were not read yet, the
/// reader continues in the middle of those that are left, and topic_message::skipped is how many it
/// missed: for a reader that was there before the first message, the numbers of all that were read
/// and skipped add up to topic_message::sequence.
///
/// If the writer ends the topic, what is left is read, and then calls fail with errc::topic_closed.
/// If it ends without that, they fail with errc::peer_lost (as soon as for a channel), and if it
/// breaks the rules of the layout with errc::topic_poisoned. reopen() waits for the next writer.
///
/// Nothing that a peer writes can make this side crash, hang or read outside of the topic. As with
/// channels, on a device of version 1 any peer can forge the messages of another.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe, if their slots are distinct. @e Shared @e objects: Unsafe; it
/// counts as one object with the slot.
class IVSHMEM_API topic_reader {
  public:
    /// Makes a closed reader.
    topic_reader() noexcept;
    topic_reader(topic_reader&& other) noexcept;
    topic_reader& operator=(topic_reader&& other) noexcept;
    topic_reader(const topic_reader&) = delete;
    topic_reader& operator=(const topic_reader&) = delete;
    /// As close().
    ~topic_reader();

    /// Opens a topic of any other slot. It need not exist yet.
    /// @param in Must stay open for as long as the reader is used.
    /// @param name 1 to 59 bytes of UTF-8 without control characters.
    /// @throws error errc::topics_unsupported (the region has no room for topics),
    /// bad_service_name, closed, slot_lost, forked; a system error (std::errc::invalid_argument:
    /// more than 8 pins).
    [[nodiscard]] static topic_reader open(const slot& in, std::string_view name,
                                           const topic_reader_options& options = {});
    [[nodiscard]] static topic_reader open(const slot& in, std::string_view name,
                                           const topic_reader_options& options,
                                           std::error_code& ec);
    /// Looks for a writer again, after the topic has ended, or was lost or poisoned. Continues with
    /// the next message if it is the same topic, as after a writer that only did not run. A topic
    /// that was poisoned is found again, and may still be broken: do not try again at once. Does
    /// nothing while searching or attached.
    /// @throws error errc::closed, slot_lost, forked.
    void reopen();
    void reopen(std::error_code& ec);
    void close() noexcept;

    /// @name Facts
    /// @{
    [[nodiscard]] bool is_open() const noexcept { return impl_ != nullptr; }
    /// The state, as of the last call.
    [[nodiscard]] topic_state state() const noexcept;
    /// The slot of the writer; empty if none was found.
    [[nodiscard]] std::optional<std::uint32_t> writer_slot() const noexcept;
    /// Whether the topic was brought from elsewhere (topic_options::relayed), as its writer says.
    /// False if none was found.
    [[nodiscard]] bool relayed() const noexcept;
    /// How many messages were skipped since the reader was opened.
    [[nodiscard]] std::uint64_t skipped() const noexcept;
    /// @}

    /// Looks for a writer, and answers a peer that claims the slot. Bounded work.
    /// @return The state.
    /// @throws error errc::closed, slot_lost, slot_overwritten, forked.
    topic_state update();
    topic_state update(std::error_code& ec);

    /// @name Reading
    /// All of these fail with errc::topic_closed, peer_lost, topic_poisoned, closed, slot_lost or
    /// forked, and return nothing without an error if there is no message now.
    /// @{

    /// Returns a view of the next message in the section of the writer. The writer may write over
    /// it at any time, so use only bytes that were read before still_valid() returned true, or
    /// copy_out(). A hostile writer can change them between two reads: read each byte once.
    [[nodiscard]] std::optional<topic_message> try_view();
    [[nodiscard]] std::optional<topic_message> try_view(std::error_code& ec);
    /// As try_view(), but of the newest message, unless it was read already. The first call also
    /// returns one that was there before the reader.
    [[nodiscard]] std::optional<topic_message> try_view_latest();
    [[nodiscard]] std::optional<topic_message> try_view_latest(std::error_code& ec);
    /// Whether the message is still there, so that all that was read of it before this call is what
    /// the writer published.
    /// @param message Of try_view() or try_view_latest() of this reader.
    [[nodiscard]] bool still_valid(const topic_message& message) const;
    /// Copies the first bytes of a message, as many as `into` has. Reads each byte once.
    /// @return As still_valid() after the copy: false if `into` may hold anything.
    [[nodiscard]] bool copy_out(const topic_message& message, std::span<std::byte> into) const;

    /// Holds a message where it is, so that the writer does not write over it: for as long as the
    /// pin lives, in any number up to topic_reader_options::pins. The writer must allow that
    /// (topic_options::pinning_readers); it hears of a reader with its next loan() or publish(), so
    /// the messages that were there before cannot be held.
    /// @param message Of try_view() or try_view_latest() of this reader.
    /// @throws error errc::pin_refused (no grant, yet or at all), pins_in_use, message_overwritten,
    /// closed, slot_lost, slot_overwritten, forked.
    [[nodiscard]] topic_pin pin(const topic_message& message);
    [[nodiscard]] topic_pin pin(const topic_message& message, std::error_code& ec);

    /// Reads the next message into a vector, which is resized to it. A message that is overwritten
    /// meanwhile counts as skipped.
    /// @return A message whose bytes are those of the vector.
    /// @throws error also errc::message_too_large: it is longer than
    /// topic_reader_options::max_message, and counts as skipped; the next call goes on behind it.
    /// std::bad_alloc; the message is lost then.
    std::optional<topic_message> try_read(std::vector<std::byte>& into);
    std::optional<topic_message> try_read(std::vector<std::byte>& into, std::error_code& ec);
    /// As try_read(), but the newest message, as try_view_latest().
    std::optional<topic_message> try_read_latest(std::vector<std::byte>& into);
    std::optional<topic_message> try_read_latest(std::vector<std::byte>& into, std::error_code& ec);
    /// @}

    /// @name Sleeping
    /// @{

    /// Asks the writer to ring the slot's vector, unless this side polls, then looks once more.
    /// @return Whether there is nothing to do, so that the caller can sleep. Otherwise try again at
    /// once. A ring is a hint: wait at most 100 ms if no ring arrives.
    [[nodiscard]] bool arm();
    /// Withdraws the request to be rung.
    void disarm() noexcept;
    /// @}

  private:
    class IVSHMEM_HIDDEN impl;

    IVSHMEM_HIDDEN explicit topic_reader(std::unique_ptr<impl> opened) noexcept;

    std::unique_ptr<impl> impl_;
};

} // namespace ivshmem
