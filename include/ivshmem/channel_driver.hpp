// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/channel.hpp>
#include <ivshmem/export.hpp>
#include <ivshmem/layout_violation.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

namespace ivshmem {

/// Drives a channel from an event loop: falling asleep, waking up, and messages in parts. The Asio
/// layer is written on it; a program that only sends and receives needs channel alone.
///
/// A loop goes like this (examples/poll.cpp): try; if there is nothing to do, arm(); if arm()
/// returned true, wait for the interrupt of the slot's vector, at most 100 ms; disarm(); update();
/// ring_again(); try again. An interrupt is a hint: it may be lost, so a wait needs a limit.
///
/// The driver is a view: it stays valid while the channel moves, and ends with the channel.
/// Functions that report an error do nothing else if the channel is closed.
///
/// @par Thread Safety
/// As the channel; both count as one object.
class IVSHMEM_API channel_driver {
  public:
    /// What a side waits for; the values can be combined.
    enum wake : std::uint32_t {
        for_data = 1,    ///< a message, or the end of them
        for_room = 2,    ///< room for the message that did not fit
        for_drained = 4, ///< the other side took all messages that were sent
    };

    /// Drives nothing.
    channel_driver() noexcept = default;
    /// @param of Must outlive the use of this driver, even if it is moved.
    explicit channel_driver(channel& of) noexcept : impl_{of.impl_.get()} {}

    /// @name Facts
    /// @{

    /// Changes with each opening; 0: not open.
    [[nodiscard]] std::uint32_t session() const noexcept;
    /// How often this side has rung the other one for messages or for room.
    [[nodiscard]] std::uint64_t rings() const noexcept;
    /// Bytes of the ring, headers and padding included, that the other side had not taken at the
    /// last update.
    [[nodiscard]] std::uint32_t unread() const noexcept;
    /// Whether there is something in the ring: a message or a part of one.
    [[nodiscard]] bool has_data() const noexcept;
    /// Whether the other side took all messages that were sent; false also on an error.
    [[nodiscard]] bool drained() noexcept;
    /// Stores the error that sending and receiving have in the present state; none if connected.
    void state_error(std::error_code& ec) const noexcept;
    /// Whether this side, which asks for a service, must take another lane: the other side has
    /// opened this one by its number or, from a lower slot, to ask for a service itself.
    [[nodiscard]] bool is_contested() const noexcept;
    /// Closes the channel; if it was not connected yet, as if it had never been opened, so that the
    /// other side goes on waiting.
    void withdraw() noexcept;
    /// @}

    /// @name Sleeping
    /// @{

    /// Asks the other side to ring, unless this side polls, then looks once more.
    /// @param what A combination of wake.
    /// @return Whether there is nothing to do, so that the caller can sleep. Otherwise try again at
    /// once.
    [[nodiscard]] bool arm(std::uint32_t what) noexcept;
    /// Withdraws the request to be rung.
    void disarm() noexcept;
    /// Publishes how much was received, and rings the other side if it waits for that. A loop that
    /// stops receiving while there is more must call it; a receive that finds the ring empty calls
    /// it.
    void settle() noexcept;
    /// Rings again if the other side was rung and still sleeps: the doorbell may have been lost.
    void ring_again() noexcept;
    /// @}

    /// @name Messages in parts
    /// @{

    /// Sends a message of any length up to peer_max_message(), as far as there is room. A message
    /// longer than a quarter of the ring is sent in parts.
    /// @param done How much of it was sent: 0 at first. Until the message is complete send no other
    /// one, or abandon() it.
    /// @param fill Called as fill(std::span<std::byte> into, std::size_t offset) for each part.
    /// @return Whether it is complete. Errors as channel::try_send().
    template <typename Fill>
    bool send_some(std::size_t size, std::size_t& done, Fill&& fill, std::error_code& ec) {
        using function = std::remove_reference_t<Fill>;
        return send_parts(
            size, done,
            [](void* f, std::span<std::byte> into, std::size_t offset) {
                (*static_cast<function*>(f))(into, offset);
            },
            const_cast<void*>(static_cast<const void*>(std::addressof(fill))), ec);
    }
    /// Withdraws a message of which parts were sent: the other side never sees it. Does nothing if
    /// no part was sent.
    void abandon() noexcept;
    /// Receives as much of a message, of any length, as is available.
    /// @param capacity The size of the caller's buffer, in bytes. @param done How much of the
    /// message was received: 0 at first, and again if the other side withdrew the parts that it had
    /// sent.
    /// @param copy Called as copy(std::size_t offset, std::span<const std::byte> part).
    /// @return Whether the message is complete; `done` is its length then. Errors as
    /// channel::try_receive().
    template <typename Copy>
    bool receive_some(std::size_t capacity, std::size_t& done, Copy&& copy, std::error_code& ec) {
        using function = std::remove_reference_t<Copy>;
        return receive_parts(
            capacity, done,
            [](void* f, std::size_t offset, std::span<const std::byte> part) {
                (*static_cast<function*>(f))(offset, part);
            },
            const_cast<void*>(static_cast<const void*>(std::addressof(copy))), ec);
    }
    /// Takes the parts of a message that have arrived into memory that grows with them
    /// (slot_options::memory_for_parts), so that a caller needs no buffer for a message that its
    /// sender may never complete.
    /// @return The length of the message in bytes once all of it has arrived: try_receive() then
    /// returns it. Errors as channel::try_receive().
    /// @throws std::bad_alloc
    [[nodiscard]] std::optional<std::size_t> gather(std::error_code& ec);
    /// Keeps the part of a message that receive_some() returned for the next call that receives.
    /// @throws std::bad_alloc
    void keep(std::span<const std::byte> part);
    /// Drops a message of which receive_some() returned a part: the next call that receives skips
    /// the rest of it. Does nothing if no part was received.
    void skip() noexcept;
    /// As channel::peek(), but also returns the next part of a message that was sent in parts;
    /// channel::consume() gives it back.
    [[nodiscard]] std::optional<std::span<const std::byte>> peek_part(std::error_code& ec);
    /// Poisons the channel and reports the reason to the other side, for a layer above that finds
    /// the rules broken. Does nothing if the channel is not connected.
    void reject(layout_violation what) noexcept;
    /// @}

  private:
    using fill_function = void(void*, std::span<std::byte>, std::size_t);
    using copy_function = void(void*, std::size_t, std::span<const std::byte>);

    bool send_parts(std::size_t size, std::size_t& done, fill_function* fill, void* context,
                    std::error_code& ec);
    bool receive_parts(std::size_t capacity, std::size_t& done, copy_function* copy, void* context,
                       std::error_code& ec);

    channel::impl* impl_ = nullptr;
};

} // namespace ivshmem
