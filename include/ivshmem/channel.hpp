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
    /// Looks for messages without being rung. Saves the sender a fence and a read of `wake` for
    /// each message. Always in effect without interrupts.
    bool polling = false;
    /// The vector that the other side rings, below capabilities().interrupts; empty: the slot's.
    std::optional<std::uint16_t> vector{};
    /// The key of the service that this side requests, from service_directory::find_service(); 0:
    /// none.
    std::uint32_t service = 0;
    /// The key of this slot's service that the other side must request, from
    /// service_directory::offer(); 0: none.
    std::uint32_t offered = 0;
};

/// Carries messages between two slots, reliably and in order, over a pair of rings in the shared
/// memory (channel-layout.md). Never blocks: asio::channel waits, and channel_driver is for other
/// event loops.
///
/// Nothing that a peer writes can make this side crash, hang or read outside of the rings. If the
/// other side breaks a rule, the channel is poisoned, and violation() returns the rule.
///
/// On a device of version 1 (QEMU, ACRN) every peer can write to all of the memory, also to the
/// sections of others. So any peer can end or forge a conversation of two others: a message is
/// only as trustworthy as all peers of the memory together. What can be detected is
/// (errc::slot_overwritten, slot::repairs()); it cannot be prevented. Give VMs that must not trust
/// each other memory of their own, or a device whose hardware protects each section: ivshmem-v2.
///
/// A sent message is in the memory; drained() returns whether the other side took it. If the other
/// side restarts, messages that it did not take are lost, and errc::channel_reset reports that.
///
/// If the other side ends without closing the channel, errc::peer_lost reports that: at once if
/// both are at the same server, else within five periods of slot_options::heartbeat. What it sent
/// before can still be received. reopen() waits for it to return. Without a server and a heartbeat
/// its end is noticed when its slot is claimed again.
///
/// Sending and receiving notice a change of the other side only if they find no room or no message.
/// Call update() at least every 100 ms while neither happens: it also answers a peer that claims
/// this slot (slot_options::claim_time).
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
    /// @param to The slot of the other side: 0..geometry().slots-1, not this side's own slot.
    /// @param lane 0..geometry().lanes-1; both sides must name the same one.
    /// @throws error errc::slot_out_of_range, lane_out_of_range, lane_in_use, vector_out_of_range,
    /// closed, slot_lost, forked.
    [[nodiscard]] static channel open(const slot& from, std::uint32_t to, std::uint32_t lane,
                                      const channel_options& options = {});
    [[nodiscard]] static channel open(const slot& from, std::uint32_t to, std::uint32_t lane,
                                      const channel_options& options, std::error_code& ec);
    /// Opens a channel again that was reset, poisoned, lost or closed by the other side. The new
    /// session sends and receives no message of the old one.
    /// @throws error errc::closed, slot_lost, forked.
    void reopen();
    void reopen(std::error_code& ec);
    /// Sends nothing more. The other side receives the messages already sent, then sees
    /// errc::channel_closed.
    void finish() noexcept;
    /// As finish(), and receives nothing more. Messages that the other side has not received stay
    /// in the memory until the lane is opened again or the slot is claimed again: to be sure of
    /// their delivery, wait for drained() first.
    void close() noexcept;

    /// @name Facts
    /// @{
    [[nodiscard]] bool is_open() const noexcept;
    /// The state at the last update.
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
    /// The rule that was broken. State poisoned: by the other side. State rejected: by this side,
    /// as the other side reports.
    [[nodiscard]] layout_violation violation() const noexcept;
    /// Whether this side must not be rung. @see channel_options::polling
    [[nodiscard]] bool is_polling() const noexcept;
    /// Whether the other side sends nothing more, as of the last update.
    [[nodiscard]] bool peer_finished() const noexcept;
    /// @}

    /// Looks at the other side: connects, and notices that it closed the channel, started again,
    /// broke the rules or is lost. Answers a peer that claims the slot. Bounded work.
    /// @return The state, also if an error is reported that is not a state.
    /// @throws error errc::slot_lost, closed, forked.
    channel_state update();
    channel_state update(std::error_code& ec);

    /// @name Sending
    /// All of these fail with errc::not_connected, channel_reset, channel_closed (the other side
    /// receives nothing more), channel_poisoned, channel_rejected, peer_lost, closed, slot_lost or
    /// forked.
    /// @{

    /// Sends a message if there is room for it. A message may be empty.
    /// @return Whether it was sent; false without an error if there is no room now.
    /// @throws error also errc::message_too_large: longer than max_whole_message() or
    /// peer_max_message(). A channel_driver sends longer ones in parts, as asio::channel does.
    bool try_send(std::span<const std::byte> message);
    bool try_send(std::span<const std::byte> message, std::error_code& ec);
    /// Sends messages, in order, as long as there is room, and makes them visible to the other side
    /// together.
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
    /// Completes a message of `size` bytes, at most the reserved size. The other side sees it only
    /// after flush(). Does nothing if the channel is not connected.
    void commit(std::size_t size) noexcept;
    /// Makes all committed messages visible to the other side, and rings it if it sleeps.
    void flush() noexcept;
    /// Whether the other side took all messages that were sent.
    /// @return False without an error if it has not yet; false with an error if it never will.
    [[nodiscard]] bool drained();
    [[nodiscard]] bool drained(std::error_code& ec);
    /// @}

    /// @name Receiving
    /// All of these fail with errc::not_connected, channel_closed (after the last message),
    /// channel_reset, channel_poisoned, channel_rejected, peer_lost (after the last message),
    /// closed, slot_lost or forked.
    /// @{

    /// Receives a message if there is one. If a stream of them has just run dry, it looks once more
    /// a microsecond later, so that the sender can get ahead: both are faster if they do not use
    /// the same cache lines.
    /// @return Its length in bytes; nothing if there is none now, or on an error.
    /// @throws error also errc::buffer_too_small: the message stays, next_size() returns its
    /// length.
    std::optional<std::size_t> try_receive(std::span<std::byte> into);
    std::optional<std::size_t> try_receive(std::span<std::byte> into, std::error_code& ec) {
        const std::size_t size = receive(into, ec);
        if (size == no_message)
            return std::nullopt;
        return size;
    }
    /// The length of the next message in bytes; nothing if there is none now. If the message comes
    /// in parts, some may still be missing.
    [[nodiscard]] std::optional<std::size_t> next_size();
    [[nodiscard]] std::optional<std::size_t> next_size(std::error_code& ec);
    /// A view of the next message in the ring itself, valid until consume(). Only for messages that
    /// were sent in one piece; others fail with errc::message_too_large.
    ///
    /// The other side can still change the bytes, so a check says nothing about a later read. Read
    /// each byte once, and do not rely on two reads being equal.
    [[nodiscard]] std::optional<std::span<const std::byte>> peek();
    [[nodiscard]] std::optional<std::span<const std::byte>> peek(std::error_code& ec);
    /// Gives back the room of the message that peek() returned.
    void consume() noexcept;
    /// Receives up to `most` available messages, each by a call of f(view). As with peek(), the
    /// other side can still change the bytes of the view.
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

    static constexpr std::size_t no_message = ~std::size_t{};
    /// try_receive(). A std::optional that is returned out of line goes through the stack in pieces
    /// of other sizes, which costs a third of the call.
    std::size_t receive(std::span<std::byte> into, std::error_code& ec);

    std::unique_ptr<impl> impl_; ///< null: never opened, or moved from
};

} // namespace ivshmem
