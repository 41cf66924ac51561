// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/channel_state.hpp>
#include <ivshmem/error.hpp>
#include <ivshmem/export.hpp>
#include <ivshmem/layout_violation.hpp>
#include <ivshmem/slot.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

namespace ivshmem {

/// Chooses how a channel is opened.
struct channel_options {
    /// The longest message that this side receives, in bytes: 0 to 4 GiB - 1. The other side cannot
    /// send a longer one. It does not limit what this side sends: peer_max_message() does.
    std::uint32_t max_message = 16U * 1024 * 1024;
    /// Never be rung: this side looks by itself. Saves the sender a fence and a look for each
    /// message. Always so without interrupts.
    bool polling = false;
    /// The vector that the other side rings, below capabilities().interrupts; empty: the slot's.
    std::optional<std::uint16_t> vector{};
    /// The key of the service that this side asks for, from service_directory::find_service(); 0:
    /// none.
    std::uint32_t service = 0;
    /// The key of an own service that the other side must ask for, from
    /// service_directory::offer(); 0: none.
    std::uint32_t offered = 0;
};

/// Carries messages between two slots, reliably and in order, over a pair of rings in the shared
/// memory (channel-layout.md). Never blocks: asio::channel waits, and channel_driver is for other
/// event loops.
///
/// Nothing that the other side writes can make this side crash, hang or read outside of the rings.
/// At worst the channel is poisoned for good, and violation() says why.
///
/// A message that was sent is in the memory; drained() says whether the other side took it. A
/// restart of the other side loses what it did not take, and errc::channel_reset reports that.
///
/// Sending and receiving notice a change of the other side only if they find no room or no message.
/// A program that may go without either for long calls update() now and then: at least every
/// 100 ms, because that also answers a peer that claims this slot (slot_options::claim_time).
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe. See slot for the channels of one
/// slot.
class IVSHMEM_API channel {
  public:
    /// Makes a closed channel.
    channel() noexcept;
    channel(channel&& other) noexcept;
    channel& operator=(channel&& other) noexcept;
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    /// As close().
    ~channel();

    /// Opens this side of a lane. The other side may open it at any time, before or after.
    /// @param from Must stay open for as long as the channel is used.
    /// @param to The slot of the other side: 0..geometry().slots-1, not the own one.
    /// @param lane 0..geometry().lanes-1; both sides name the same.
    /// @throws error errc::slot_out_of_range, lane_out_of_range, lane_in_use, vector_out_of_range,
    /// closed, slot_lost, forked.
    [[nodiscard]] static channel open(const slot& from, std::uint32_t to, std::uint32_t lane,
                                      const channel_options& options = {});
    [[nodiscard]] static channel open(const slot& from, std::uint32_t to, std::uint32_t lane,
                                      const channel_options& options, std::error_code& ec);
    /// Opens again what was reset, poisoned or closed by the other side: a new session, in which
    /// nothing of the old one is sent or received.
    /// @throws error errc::closed, slot_lost, forked.
    void reopen();
    void reopen(std::error_code& ec);
    /// Sends nothing more. The other side receives what was sent, then sees errc::channel_closed.
    void finish() noexcept;
    /// As finish(), and receives nothing more. What the other side did not receive stays in the
    /// memory until the lane is opened again or the slot is claimed again: a program to which that
    /// matters waits for drained() first.
    void close() noexcept;

    /// @name Facts
    /// @{
    [[nodiscard]] bool is_open() const noexcept;
    /// The state when last looked at.
    [[nodiscard]] channel_state state() const noexcept;
    /// The slot of the other side.
    [[nodiscard]] std::uint32_t peer_slot() const noexcept;
    [[nodiscard]] std::uint32_t lane() const noexcept;
    /// The incarnation of the slot that the channel is or was connected to; 0: none yet.
    [[nodiscard]] std::uint32_t peer_incarnation() const noexcept;
    /// The longest message that the other side receives, in bytes; 0 before the channel was
    /// connected.
    [[nodiscard]] std::uint32_t peer_max_message() const noexcept;
    /// The longest message, in bytes, that try_send(), reserve() and peek() can handle: half of
    /// the ring, less 8.
    [[nodiscard]] std::uint32_t max_whole_message() const noexcept;
    /// The rule that was broken, if the state is poisoned (by the other side) or rejected (by this
    /// side, as the other one says).
    [[nodiscard]] layout_violation violation() const noexcept;
    /// Whether this side is never rung. @see channel_options::polling
    [[nodiscard]] bool is_polling() const noexcept;
    /// Whether the other side sends nothing more, as it said when last looked at.
    [[nodiscard]] bool peer_finished() const noexcept;
    /// @}

    /// Looks at the other side: connects, and notices that it closed the channel, started again or
    /// broke the rules. Answers a peer that claims the slot. Bounded work.
    /// @return The state, also with an error that is no state.
    /// @throws error errc::slot_lost, closed, forked.
    channel_state update();
    channel_state update(std::error_code& ec);

    /// @name Sending
    /// All of these fail with errc::not_connected, channel_reset, channel_closed (the other side
    /// receives nothing more), channel_poisoned, channel_rejected, closed, slot_lost or forked.
    /// @{

    /// Sends a message if there is room for it. A message may be empty.
    /// @return Whether it was sent; false without an error if there is no room now.
    /// @throws error also errc::message_too_large: longer than max_whole_message() or
    /// peer_max_message(). A channel_driver sends longer ones in parts, as asio::channel does.
    bool try_send(std::span<const std::byte> message);
    bool try_send(std::span<const std::byte> message, std::error_code& ec);
    /// Sends messages, in order, as far as there is room, and shows them to the other side at once.
    /// @return How many were sent. An error is about the one after them.
    std::size_t try_send_batch(std::span<const std::span<const std::byte>> messages);
    std::size_t try_send_batch(std::span<const std::span<const std::byte>> messages,
                               std::error_code& ec);
    /// Reserves room for a message in the ring itself: write it there, then commit(). Only the last
    /// reserve() before a commit() counts.
    /// @param size The most that will be committed, in bytes.
    /// @return The room; its data() is nullptr if there is none now, or on an error.
    [[nodiscard]] std::span<std::byte> reserve(std::size_t size);
    [[nodiscard]] std::span<std::byte> reserve(std::size_t size, std::error_code& ec);
    /// Completes a message of `size` bytes, at most what was reserved. The other side sees it only
    /// after flush(). Does nothing if the channel is not connected.
    void commit(std::size_t size) noexcept;
    /// Shows the other side all that was committed, and rings it if it sleeps.
    void flush() noexcept;
    /// Whether the other side took all that was sent.
    /// @return False without an error if it has not yet; an error says why it never will.
    [[nodiscard]] bool drained();
    [[nodiscard]] bool drained(std::error_code& ec);
    /// @}

    /// @name Receiving
    /// All of these fail with errc::not_connected, channel_closed (after the last message),
    /// channel_reset, channel_poisoned, channel_rejected, closed, slot_lost or forked.
    /// @{

    /// Receives a message if there is one.
    /// @return Its length in bytes; nothing if there is none now, or on an error.
    /// @throws error also errc::buffer_too_small: the message stays, next_size() returns its
    /// length.
    std::optional<std::size_t> try_receive(std::span<std::byte> into);
    std::optional<std::size_t> try_receive(std::span<std::byte> into, std::error_code& ec);
    /// The length of the next message in bytes; nothing if there is none now. Of a message that
    /// comes in parts the rest may still be missing.
    [[nodiscard]] std::optional<std::size_t> next_size();
    [[nodiscard]] std::optional<std::size_t> next_size(std::error_code& ec);
    /// A view of the next message in the ring itself, valid until consume(). Only for messages that
    /// were sent in one piece; others fail with errc::message_too_large.
    ///
    /// The other side can still change the bytes: a check of them is worth nothing for a later
    /// read. Read each byte once, and do not rely on two reads being equal.
    [[nodiscard]] std::optional<std::span<const std::byte>> peek();
    [[nodiscard]] std::optional<std::span<const std::byte>> peek(std::error_code& ec);
    /// Gives back the room of the message that peek() returned.
    void consume() noexcept;
    /// Receives up to `most` messages that are there, each by a call of f(view). The view has the
    /// hazard of peek().
    /// @return How many. An error is about the one after them.
    template <typename F>
    std::size_t receive_batch(std::size_t most, F&& f, std::error_code& ec) {
        std::size_t count = 0;
        for (; count < most; ++count) {
            const auto view = peek(ec);
            if (!view)
                break;
            f(*view);
            consume();
        }
        return count;
    }
    /// @}

  private:
    friend class channel_driver;
    class IVSHMEM_HIDDEN impl;

    IVSHMEM_HIDDEN explicit channel(std::unique_ptr<impl> opened) noexcept;

    std::unique_ptr<impl> impl_; ///< null: never opened, or moved from
};

} // namespace ivshmem
