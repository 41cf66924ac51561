// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/layout.hpp"
#include "channel/ring_consumer.hpp"
#include "channel/ring_producer.hpp"
#include "channel/shared_words.hpp"
#include "channel/slot_impl.hpp"
#include "channel/wake_handshake.hpp"

#include <ivshmem/channel.hpp>
#include <ivshmem/channel_driver.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>

namespace ivshmem {

/// One side of a channel. The steps that each message takes are inline here; channel_session.cpp
/// has the states, channel_messages.cpp the rare steps of messages, channel_sleep.cpp sleeping.
class channel::impl {
  public:
    using words = shared_words;
    /// As in channel_driver.
    using fill_function = void(void*, std::span<std::byte>, std::size_t);

    static std::unique_ptr<impl> open(std::shared_ptr<slot::impl> in, std::uint32_t to,
                                      std::uint32_t lane, const channel_options& options,
                                      std::error_code& ec);
    impl() = default;
    impl(const impl&) = delete;
    impl& operator=(const impl&) = delete;
    ~impl() { close(); }

    /// @name Session
    /// @{
    void reopen(std::error_code& ec);
    void finish() noexcept;
    void close() noexcept;
    void withdraw() noexcept;
    void reject(layout_violation what) noexcept;
    void update(std::error_code& ec);
    void why_not(std::error_code& ec) const;
    [[nodiscard]] bool is_contested() const;
    /// @}

    /// @name Facts
    /// @{
    [[nodiscard]] bool is_open() const noexcept { return state_ != channel_state::closed; }
    [[nodiscard]] channel_state state() const noexcept { return state_; }
    [[nodiscard]] std::uint32_t peer_slot() const noexcept { return peer_slot_; }
    [[nodiscard]] std::uint32_t lane() const noexcept { return lane_; }
    [[nodiscard]] std::uint32_t peer_incarnation() const noexcept { return peer_incarnation_; }
    [[nodiscard]] std::uint32_t peer_limit() const noexcept { return peer_limit_; }
    [[nodiscard]] std::uint32_t longest_record() const noexcept {
        return producer_.longest_record();
    }
    [[nodiscard]] layout_violation violation() const noexcept { return violation_; }
    [[nodiscard]] bool is_polling() const noexcept { return polling_; }
    [[nodiscard]] bool peer_finished() const noexcept { return peer_finished_; }
    [[nodiscard]] std::uint32_t session() const noexcept { return is_open() ? epoch_ : 0; }
    [[nodiscard]] std::uint64_t rings() const noexcept { return rings_; }
    [[nodiscard]] std::uint32_t unread() const noexcept { return producer_.unread(); }
    [[nodiscard]] bool has_data() const {
        return (state_ == channel_state::connected || state_ == channel_state::lost) &&
               (fronted_ || !consumer_.empty());
    }
    /// @}

    /// @name Sending
    /// @{
    std::span<std::byte> reserve(std::size_t size, std::error_code& ec) {
        if (in_parts_) [[unlikely]] { // no other message may come between the parts
            ready_to_send(0, ec);
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
    void commit(std::size_t size) {
        if (state_ != channel_state::connected || !holds_slot() || finished_) [[unlikely]]
            return;
        producer_.stage(static_cast<std::uint32_t>(size), layout::kind::last,
                        static_cast<std::uint32_t>(size));
    }
    void flush() {
        if (state_ != channel_state::connected || !holds_slot()) [[unlikely]]
            return;
        producer_.publish();
        if (peer_sleeps_)
            wake_for_data();
    }
    bool try_send(std::span<const std::byte> message, std::error_code& ec) {
        const auto write = [message](const words& mine, std::size_t at) {
            mine.write_short(at, message);
        };
        if (ec || !words::is_short(message.size()) || !may_send_whole(message.size()) ||
            !producer_.send(static_cast<std::uint32_t>(message.size()), write)) [[unlikely]]
            return try_send_other(message, ec);
        return !peer_sleeps_ || wake_for_data();
    }
    /// Copies a message into the ring; flush() makes it visible.
    bool stage(std::span<const std::byte> message, std::error_code& ec) {
        const std::span<std::byte> to = reserve(message.size(), ec);
        if (to.data() == nullptr)
            return false;
        if (!message.empty())
            std::memcpy(to.data(), message.data(), message.size());
        commit(message.size());
        return true;
    }
    bool send_parts(std::size_t size, std::size_t& done, fill_function* fill, void* context,
                    std::error_code& ec);
    void abandon() noexcept {
        abandon_ = abandon_ || in_parts_;
        in_parts_ = false;
    }
    [[nodiscard]] bool drained() {
        return state_ == channel_state::connected && producer_.look_at_cursor() &&
               producer_.drained();
    }
    bool drained(std::error_code& ec);
    /// @}

    /// @name Receiving
    /// @{

    /// Defined in channel_driver.cpp, which alone uses it.
    /// @param copy Called as copy(std::size_t offset, std::span<const std::byte> part).
    template <typename Copy>
    bool receive_some(std::size_t capacity, std::size_t& done, Copy&& copy, std::error_code& ec);
    /// @return The length of the message; no_message if there is none.
    std::size_t try_receive(std::span<std::byte> into, std::error_code& ec) {
        std::uint32_t size = 0;
        const auto takes = [into](std::uint32_t length) {
            return words::is_short(length) && length <= into.size();
        };
        const auto read = [into, &size](const words& theirs, std::size_t at, std::uint32_t length) {
            theirs.read_short(at, into.first(length));
            size = length;
        };
        if (ec || !may_receive_whole() || !consumer_.receive(takes, read)) [[unlikely]]
            return try_receive_other(into, ec);
        return consumer_.release_due() ? release_after(size) : size;
    }
    std::optional<std::size_t> gather(std::size_t capacity, std::error_code& ec);
    std::optional<std::size_t> next_size(std::error_code& ec);
    std::optional<std::span<const std::byte>> peek(std::error_code& ec) {
        if (!front(ec))
            return std::nullopt;
        if (record_.kind != layout::kind::last || consumer_.in_message()) {
            ec = errc::message_too_large;
            return std::nullopt;
        }
        return theirs_.bytes(record_.payload, record_.length);
    }
    std::optional<std::span<const std::byte>> peek_part(std::error_code& ec) {
        while (front(ec)) {
            if (record_.kind != layout::kind::abandon)
                return theirs_.bytes(record_.payload, record_.length);
            pop();
        }
        return std::nullopt;
    }
    void consume() {
        if (fronted_)
            pop();
    }
    void keep(std::span<const std::byte> part);
    void skip() noexcept {
        skipping_ = consumer_.in_message();
        drop_kept();
    }
    /// @}

    /// @name Sleeping
    /// @{
    bool arm(std::uint32_t what);
    void disarm() noexcept;
    void settle() {
        if (state_ == channel_state::connected && !consumer_.released())
            release();
    }
    void ring_again();
    /// @}

  private:
    /// Whether the section still belongs to this process. @pre is_open()
    [[nodiscard]] bool holds_slot() const noexcept {
        return held_->load(std::memory_order_relaxed) && *alive_;
    }
    [[nodiscard]] bool is_ready_to_send(std::size_t size) const noexcept {
        return state_ == channel_state::connected && holds_slot() && !finished_ && !abandon_ &&
               !deaf_ && size <= whole_limit_;
    }
    [[nodiscard]] bool may_send_whole(std::size_t size) const noexcept {
        return !in_parts_ && is_ready_to_send(size);
    }
    [[nodiscard]] bool may_receive_whole() const noexcept {
        return state_ == channel_state::connected && holds_slot() && !fronted_ && !kept_;
    }
    bool ready_to_send(std::size_t size, std::error_code& ec) {
        if (ec) [[unlikely]] // only if needed: clear() is a call into the C++ library
            ec.clear();
        if (is_ready_to_send(size)) [[likely]]
            return true;
        return not_ready_to_send(size, ec);
    }
    bool front(std::error_code& ec) {
        if (ec) [[unlikely]] // only if needed: clear() is a call into the C++ library
            ec.clear();
        // What a lost peer sent before its end can still be received.
        if ((state_ == channel_state::connected || state_ == channel_state::lost) && holds_slot() &&
            (!skipping_ || skip_rest()) && (fronted_ || consumer_.front(record_))) [[likely]]
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
    [[gnu::noinline]] bool try_send_other(std::span<const std::byte> message, std::error_code& ec);
    [[gnu::noinline]] std::size_t try_receive_other(std::span<std::byte> into, std::error_code& ec);
    /// release(), for the end of a function: @return size
    [[gnu::noinline]] std::size_t release_after(std::size_t size) {
        release();
        return size;
    }
    bool skip_rest();
    bool keep_more(std::span<const std::byte> part);
    void drop_kept() noexcept;
    [[nodiscard]] bool met_for_the_same() const;
    bool ready(std::uint32_t what);
    void start_session();
    void connect();
    bool check_block();
    void look_at_peer();
    void look_at_session();
    [[nodiscard]] bool peer_is_lost();
    void lose();
    void poison(layout_violation what);
    bool usable(std::error_code& ec) const;
    void ring(std::uint32_t wake_word);
    bool send_abandon(std::error_code& ec);
    bool not_ready_to_send(std::size_t size, std::error_code& ec);
    void no_room(std::error_code& ec);
    void nothing(std::error_code& ec);
    void release();
    [[gnu::noinline]] bool wake_for_data(); ///< @return true

    words mine_;
    words theirs_;
    ring_producer<words> producer_;
    ring_consumer<words> consumer_;
    wake_handshake<words> sleep_;
    ring_record record_;

    channel_state state_ = channel_state::closed;
    bool peer_sleeps_ = false; ///< as the peer declared when the channel was connected
    bool polling_ = false;
    bool skipping_ = false; ///< the rest of a message whose beginning is lost
    bool fronted_ = false;  ///< record_ is the one at the front: it is read only once
    bool finished_ = false;
    bool deaf_ = false; ///< the peer reads no more
    bool peer_finished_ = false;
    bool in_parts_ = false; ///< parts of a message were sent, but not yet the last one
    bool abandon_ = false;
    layout_violation violation_ = layout_violation::none;
    std::uint32_t peer_limit_ = 0;
    std::uint32_t whole_limit_ = 0; ///< of a message in one record
    std::uint64_t rings_ = 0;

    std::uint32_t peer_slot_ = 0;
    std::uint32_t lane_ = 0;
    std::uint32_t epoch_ = 0;
    std::uint32_t ack_ = 0;
    std::uint32_t peer_incarnation_ = 0;
    std::uint16_t peer_id_ = 0;
    /// slot::impl::departures(): when the session was opened, connected, and looked at last.
    std::uint64_t departures_opened_ = 0;
    std::uint64_t departures_connected_ = 0;
    std::uint64_t departures_seen_ = 0;
    channel_options options_;
    std::shared_ptr<slot::impl> slot_;
    const std::atomic<bool>* held_ = nullptr; ///< of slot_: not given back, not lost
    const bool* alive_ = nullptr;             ///< of its device: not in a forked child
    std::unique_ptr<std::string> kept_;       ///< parts of a message that no call has taken yet
    std::size_t accounted_ = 0;               ///< bytes of slot::impl::memory_for_parts()
};

} // namespace ivshmem
