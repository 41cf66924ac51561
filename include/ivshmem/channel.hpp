// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/detail/emptied_by_move.hpp>
#include <ivshmem/detail/ring_consumer.hpp>
#include <ivshmem/detail/ring_producer.hpp>
#include <ivshmem/detail/shared_words.hpp>
#include <ivshmem/detail/wake_handshake.hpp>
#include <ivshmem/error.hpp>
#include <ivshmem/export.hpp>
#include <ivshmem/slot.hpp>
#include <ivshmem/violation.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace ivshmem {

/// How a channel is to be opened.
struct channel_options {
    /// The longest message, in bytes, that this side takes: up to 4 GiB - 1. A peer cannot send a
    /// longer one.
    std::uint32_t max_message = 16U * 1024 * 1024;
    /// Never be rung: this side looks by itself. Saves the sender a fence and a look for each
    /// message. Without interrupts it is so in any case.
    bool polling = false;
    /// The vector that the peer rings, below capabilities().interrupts; empty: the slot's.
    std::optional<std::uint16_t> vector{};
    /// The key of a service of the peer that this side asks for, from
    /// service_directory::find_service(); 0: none, the peer opens the lane by its number or asks
    /// itself.
    std::uint32_t service = 0;
    /// The key of an own service that the peer must ask for, from service_directory::offer(); 0:
    /// none.
    std::uint32_t offered = 0;
};

/// Messages to and from one peer, reliable and in order, over a pair of rings in the shared memory
/// (channel-layout.md). Never blocks and never waits: asio::channel does, and is built on this.
///
/// Nothing that the peer writes can make this side crash, hang or read outside of the rings: at
/// worst the channel is poisoned, for good, and violation() says why.
///
/// A message that was sent is in the memory; that the peer took it, drained() tells. Until then a
/// restart of the peer loses it, and the channel says so (errc::channel_reset).
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
class IVSHMEM_API channel {
  public:
    enum class state {
        closed,    ///< not open
        opening,   ///< the peer has not opened its side yet
        connected, ///< messages flow
        reset,     ///< the peer started anew, or closed and opened again
        poisoned,  ///< the peer broke the rules
        rejected,  ///< the peer says that this side broke the rules
    };

    /// A closed channel.
    channel() noexcept;
    channel(channel&& other) noexcept;
    channel& operator=(channel&& other) noexcept;
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    /// As close().
    ~channel();

    /// Opens this side. The peer may come at any time, before or after; update() tells.
    /// @param peer The other side's slot. @param lane 0..geometry.lanes-1; both sides name the
    /// same.
    /// @throws error errc::slot_out_of_range (also for the own slot), lane_out_of_range,
    /// lane_in_use, vector_out_of_range, closed, slot_lost, forked.
    [[nodiscard]] static channel open(const slot& from, std::uint32_t peer, std::uint32_t lane,
                                      const channel_options& options = {});
    [[nodiscard]] static channel open(const slot& from, std::uint32_t peer, std::uint32_t lane,
                                      const channel_options& options, std::error_code& ec);
    /// Opens anew what was reset, poisoned or closed by the peer: a new session, in which nothing
    /// of the old one is sent or received.
    /// @throws error errc::closed, slot_lost, forked.
    void reopen();
    void reopen(std::error_code& ec);
    /// Poisons the channel, and tells the peer why: for layers above that find that it breaks the
    /// rules. Nothing where the channel is not connected.
    void reject(ivshmem::violation what) noexcept;
    /// Sends nothing more; the peer still receives what was sent, then sees errc::channel_closed.
    void finish() noexcept;
    /// As finish(), and receives nothing more. What the peer has not received stays in the memory
    /// until the lane is opened again, or the slot claimed anew: where it matters wait for
    /// drained() first.
    void close() noexcept;

    /// @name Facts
    /// @{
    [[nodiscard]] bool is_open() const noexcept { return state_ != state::closed; }
    [[nodiscard]] std::uint32_t peer() const noexcept { return peer_; }
    [[nodiscard]] std::uint32_t lane() const noexcept { return lane_; }
    /// The incarnation of the peer that the channel is or was connected to; 0: none yet.
    [[nodiscard]] std::uint32_t peer_incarnation() const noexcept { return peer_incarnation_; }
    /// Another number after each opening; 0: not open.
    [[nodiscard]] std::uint32_t session() const noexcept { return is_open() ? epoch_ : 0; }
    /// The longest message that the peer takes; 0 before the channel was connected.
    [[nodiscard]] std::uint32_t peer_max_message() const noexcept { return peer_limit_; }
    /// The longest message that try_send(), reserve() and peek() can do with: half of the ring,
    /// less 8 bytes.
    [[nodiscard]] std::uint32_t max_whole_message() const noexcept {
        return producer_.longest_record();
    }
    /// How the peer broke the rules, where the channel is poisoned or, as it says, rejected.
    [[nodiscard]] ivshmem::violation violation() const noexcept { return violation_; }
    /// Whether this side is never rung. @see channel_options::polling
    [[nodiscard]] bool polls() const noexcept { return polling_; }
    /// How often this side has rung the peer for messages or for room.
    [[nodiscard]] std::uint64_t rings() const noexcept { return rings_; }
    /// @}

    /// Connects, and notices what became of the peer: to be called after each wake-up while not
    /// connected, and now and then while connected. Bounded work.
    /// @return The state, also after an error that is no state (errc::slot_lost, closed, forked).
    state update();
    state update(std::error_code& ec);
    /// What the state means for who wants to send or receive: no error where it is connected.
    void why_not(std::error_code& ec) const;
    /// Whether this side, which asks for a service, is to take another lane: the peer has opened
    /// this one by its number or, from a lower slot, to ask for a service itself.
    [[nodiscard]] bool is_contested() const;
    /// Whether the peer sends nothing more, as it said when last looked at.
    [[nodiscard]] bool peer_finished() const noexcept { return peer_finished_; }
    /// The state when last looked at.
    [[nodiscard]] state current_state() const noexcept { return state_; }

    /// @name Sending
    /// All of these fail with errc::not_connected, channel_reset, channel_closed (the peer receives
    /// nothing more), channel_poisoned, channel_rejected, closed, slot_lost or forked.
    /// @{

    /// Sends a message if there is room for it. A message may be empty.
    /// @return Whether it was sent; false without an error where there is no room now.
    /// @throws error and errc::message_too_large: longer than max_whole_message() (send it in
    /// parts) or peer_max_message().
    bool try_send(std::span<const std::byte> message);
    bool try_send(std::span<const std::byte> message, std::error_code& ec) {
        const std::span<std::byte> to = reserve(message.size(), ec);
        if (to.data() == nullptr)
            return false;
        if (!message.empty())
            std::memcpy(to.data(), message.data(), message.size());
        commit(message.size());
        flush();
        return true;
    }
    /// Sends messages, in order, as far as there is room, and shows them to the peer at once.
    /// @return How many were sent. An error is about the one after them.
    std::size_t try_send_batch(std::span<const std::span<const std::byte>> messages,
                               std::error_code& ec);
    /// Room for a message in the ring itself: write it there, then commit(). Only the last
    /// reserve() before a commit() counts.
    /// @param size The most that will be committed.
    /// @return The room; its data() is nullptr where there is none, or on an error.
    [[nodiscard]] std::span<std::byte> reserve(std::size_t size, std::error_code& ec) {
        if (in_parts_) [[unlikely]] { // nothing goes between the parts of a message
            can_send(ec);
            return {};
        }
        if (!ready_to_send(size, ec)) [[unlikely]]
            return {};
        if (!producer_.reserve(static_cast<std::uint32_t>(size))) [[unlikely]] {
            no_room(ec);
            return {};
        }
        return mine_.bytes(producer_.payload(), size);
    }
    /// Completes a message of `size` bytes, at most what was reserved; the peer sees it only after
    /// flush().
    void commit(std::size_t size) {
        if (state_ != state::connected || !holds_slot() || finished_) [[unlikely]]
            return;
        producer_.stage(static_cast<std::uint32_t>(size), detail::layout::kind::last,
                        static_cast<std::uint32_t>(size));
    }
    /// Shows the peer all that was committed, and rings if it sleeps.
    void flush() {
        if (state_ != state::connected || !holds_slot()) [[unlikely]]
            return;
        producer_.publish();
        if (peer_sleeps_)
            wake_for_data();
    }
    /// Sends a message of any length up to peer_max_message(), in parts where need be, as far as
    /// there is room.
    /// @param done How much of it was sent: 0 at first. Until the message is complete send no
    /// other one; or abandon() it.
    /// @param fill Called as fill(std::span<std::byte> into, std::size_t offset) for each part.
    /// @return Whether it is complete.
    template <typename Fill>
    bool send_some(std::size_t size, std::size_t& done, Fill&& fill, std::error_code& ec);
    /// Takes back a message of which parts were sent: the peer never sees it.
    /// Nothing happens where nothing was sent of it.
    void abandon() noexcept {
        abandon_ = abandon_ || in_parts_;
        in_parts_ = false;
    }
    /// Bytes of the ring, headers and padding included, that the peer had not taken when last
    /// looked at.
    [[nodiscard]] std::uint32_t unread() const noexcept { return producer_.unread(); }
    /// Whether the peer has taken all that was sent.
    [[nodiscard]] bool drained() {
        return state_ == state::connected && producer_.look_at_cursor() && producer_.drained();
    }
    /// The same; an error says why it never will.
    [[nodiscard]] bool drained(std::error_code& ec);
    /// @}

    /// @name Receiving
    /// All of these fail with errc::not_connected, channel_closed (after the last message),
    /// channel_reset, channel_poisoned, channel_rejected, closed, slot_lost or forked.
    /// @{

    /// Receives a message if there is one.
    /// @return Its length; nothing where there is none now, or on an error.
    /// @throws error and errc::buffer_too_small: the message stays, next_size() tells its length.
    std::optional<std::size_t> try_receive(std::span<std::byte> into);
    std::optional<std::size_t> try_receive(std::span<std::byte> into, std::error_code& ec) {
        std::size_t done = 0;
        const auto copy = [&](std::size_t offset, std::span<const std::byte> part) {
            if (!part.empty())
                std::memcpy(into.data() + offset, part.data(), part.size());
        };
        if (receive_some(into.size(), done, copy, ec))
            return done;
        if (done != 0)
            keep(into.first(done));
        return std::nullopt;
    }
    /// Whether there is something in the ring, be it a message or part of one.
    [[nodiscard]] bool has_data() const {
        return state_ == state::connected && (fronted_ || !consumer_.empty());
    }
    /// The length of the message that would be received next, as far as it is there.
    [[nodiscard]] std::optional<std::size_t> next_size(std::error_code& ec);
    /// As peek(), but of the next part of a message that was sent in parts, too.
    [[nodiscard]] std::optional<std::span<const std::byte>> peek_part(std::error_code& ec) {
        while (front(ec)) {
            if (record_.kind != detail::layout::kind::abandon)
                return theirs_.bytes(record_.payload, record_.length);
            pop();
        }
        return std::nullopt;
    }
    /// A view of the next message in the ring itself, until consume(). Only for messages that were
    /// sent in one piece; others fail with errc::message_too_large.
    ///
    /// The peer can still change the bytes: a check of them holds for nobody but a copy. Read each
    /// of them once, and do not believe that two reads agree.
    [[nodiscard]] std::optional<std::span<const std::byte>> peek(std::error_code& ec) {
        if (!front(ec))
            return std::nullopt;
        if (record_.kind != detail::layout::kind::last || consumer_.in_message()) {
            ec = errc::message_too_large;
            return std::nullopt;
        }
        return theirs_.bytes(record_.payload, record_.length);
    }
    /// Gives back the room of the message that peek() gave.
    void consume() {
        if (fronted_)
            pop();
    }
    /// Receives up to `most` messages that are there, each by a call of f(view), which has the
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
    /// Receives a message of any length, in parts where it was sent so, as far as it is there.
    /// @param capacity The most that there is room for. @param done How much of it was received:
    /// 0 at first, and again where the peer took back what it had sent of it.
    /// @param copy Called as copy(std::size_t offset, std::span<const std::byte> part).
    /// @return Whether the message is complete; `done` is its length then.
    template <typename Copy>
    bool receive_some(std::size_t capacity, std::size_t& done, Copy&& copy, std::error_code& ec);
    /// Keeps the part of a message that receive_some() gave for the next call that receives.
    void keep(std::span<const std::byte> part);
    /// @}

    /// @name Sleeping
    /// @{

    /// What to wait for; they can be combined.
    enum wake : std::uint32_t {
        for_data = 1,    ///< a message, or the end of them
        for_room = 2,    ///< room for the message that did not fit
        for_drained = 4, ///< that the peer took all that was sent
    };
    /// Asks the peer to ring, unless this side polls, before it sleeps; then looks once more.
    /// @param what A combination of wake.
    /// @return Whether there is nothing to do: sleep. Otherwise look at once.
    [[nodiscard]] bool arm(std::uint32_t what);
    /// Awake again: the peer need not ring.
    void disarm() noexcept;
    /// Tells the peer what was received, and rings it if it waits for that. To be called when this
    /// side stops receiving while there is more; all that finds the ring empty does it.
    void settle() {
        if (state_ == state::connected && !consumer_.released())
            release();
    }
    /// Rings once more a peer that was rung and still sleeps: the doorbell may have been lost.
    void ring_again();
    /// @}

  private:
    using words = detail::shared_words;

    IVSHMEM_HIDDEN explicit channel(std::shared_ptr<slot::impl> in) noexcept;

    /// Whether the section still belongs to this process. @pre is_open()
    [[nodiscard]] bool holds_slot() const noexcept {
        return held_->load(std::memory_order_relaxed) && *alive_;
    }
    void can_send(std::error_code& ec) { ready_to_send(0, ec); }
    bool ready_to_send(std::size_t size, std::error_code& ec) {
        ec.clear();
        if (state_ == state::connected && holds_slot() && !finished_ && !abandon_ && !deaf_ &&
            size <= producer_.longest_record() && size <= peer_limit_) [[likely]]
            return true;
        return not_ready_to_send(size, ec);
    }
    bool front(std::error_code& ec) {
        ec.clear();
        if (state_ == state::connected && holds_slot() && (fronted_ || consumer_.front(record_)))
            [[likely]]
            return fronted_ = true;
        nothing(ec);
        return false;
    }
    void pop() {
        consumer_.pop(record_);
        fronted_ = false;
        if (consumer_.release_due())
            release();
    }
    IVSHMEM_HIDDEN bool met_for_the_same() const;
    IVSHMEM_HIDDEN bool ready(std::uint32_t what);
    IVSHMEM_HIDDEN void start_session();
    IVSHMEM_HIDDEN void connect();
    IVSHMEM_HIDDEN void look_at_session();
    IVSHMEM_HIDDEN void poison(ivshmem::violation what);
    IVSHMEM_HIDDEN bool usable(std::error_code& ec) const;
    IVSHMEM_HIDDEN void ring(std::uint32_t wake_word);
    IVSHMEM_HIDDEN bool send_abandon(std::error_code& ec);
    bool not_ready_to_send(std::size_t size, std::error_code& ec);
    void no_room(std::error_code& ec);
    void nothing(std::error_code& ec);
    void release();
    void wake_for_data();

    words mine_;
    words theirs_;
    detail::ring_producer<words> producer_;
    detail::ring_consumer<words> consumer_;
    detail::wake_handshake<words> sleep_;
    detail::ring_record record_;

    detail::emptied_by_move<state> state_; ///< closed at first
    bool peer_sleeps_ = false;             ///< as it said when the channel was connected
    bool polling_ = false;
    bool fronted_ = false; ///< record_ is the one at the front: read once, however often asked
    bool finished_ = false;
    bool deaf_ = false; ///< the peer
    bool peer_finished_ = false;
    bool in_parts_ = false; ///< some of a message was sent, and not yet the last of it
    bool abandon_ = false;
    ivshmem::violation violation_ = violation::none;
    std::uint32_t peer_limit_ = 0;
    std::uint64_t rings_ = 0;

    std::uint32_t peer_ = 0;
    std::uint32_t lane_ = 0;
    std::uint32_t epoch_ = 0;
    std::uint32_t ack_ = 0;
    std::uint32_t peer_incarnation_ = 0;
    std::uint16_t peer_id_ = 0;
    channel_options options_;
    std::shared_ptr<slot::impl> slot_;
    const std::atomic<bool>* held_ = nullptr; ///< of slot_: not given back, not lost
    const bool* alive_ = nullptr;             ///< of its device: not in a forked child
    std::unique_ptr<std::string> kept_;       ///< parts of a message that nobody took yet
};

/// "closed", "opening", "connected", "reset", "poisoned" or "rejected". Thread safe.
[[nodiscard]] IVSHMEM_API std::string_view to_string(channel::state s) noexcept;

template <typename Fill>
bool channel::send_some(std::size_t size, std::size_t& done, Fill&& fill, std::error_code& ec) {
    const std::size_t most = producer_.longest_record();
    if (done != 0 && !in_parts_) { // in a session that is over
        ec = errc::channel_reset;
        return false;
    }
    for (;;) {
        const bool whole = done == 0 && size <= most;
        // Parts are small enough for the peer to receive one while the next is being sent.
        const std::size_t part = whole ? size : std::min(size - done, (most + 8) / 4 - 8);
        if (!ready_to_send(part, ec))
            return false;
        if (size > peer_limit_) {
            ec = errc::message_too_large;
            return false;
        }
        if (!producer_.reserve(static_cast<std::uint32_t>(part))) {
            no_room(ec);
            return false;
        }
        fill(mine_.bytes(producer_.payload(), part), done);
        const bool last = part == size - done;
        producer_.stage(static_cast<std::uint32_t>(part),
                        last ? detail::layout::kind::last : detail::layout::kind::part,
                        static_cast<std::uint32_t>(size - done));
        done += part;
        in_parts_ = !last;
        flush();
        if (last)
            return true;
    }
}

template <typename Copy>
bool channel::receive_some(std::size_t capacity, std::size_t& done, Copy&& copy,
                           std::error_code& ec) {
    if (!consumer_.in_message())
        done = 0; // of a session that is over
    // A peer that takes back all that it sends could keep this going for ever.
    std::size_t most = 2 * (std::size_t{max_whole_message()} + 8);
    while (front(ec)) {
        most -= std::min<std::size_t>(most, detail::layout::record_size(record_.length));
        if (record_.kind == detail::layout::kind::abandon) {
            pop();
            kept_.reset();
            done = 0;
            if (most == 0)
                return false;
            continue;
        }
        const std::size_t before = done == 0 && kept_ ? kept_->size() : done;
        if (record_.total > capacity - std::min(capacity, before)) {
            ec = errc::buffer_too_small;
            return false;
        }
        if (done == 0 && kept_) {
            copy(0, std::as_bytes(std::span{*kept_}));
            kept_.reset();
            done = before;
        }
        copy(done, std::span<const std::byte>{theirs_.bytes(record_.payload, record_.length)});
        done += record_.length;
        const bool complete = record_.kind == detail::layout::kind::last;
        pop();
        if (complete)
            return true;
    }
    return false;
}

} // namespace ivshmem
