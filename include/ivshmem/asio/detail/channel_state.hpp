// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/gate.hpp>
#include <ivshmem/asio/detail/hub.hpp>
#include <ivshmem/channel.hpp>
#include <ivshmem/channel_driver.hpp>

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>

namespace ivshmem::asio::detail {

/// The state that a channel and its operations share. The operations keep it alive, so that the
/// channel may be moved or destroyed while they are under way.
template <typename Executor>
class channel_state : public hub_member {
  public:
    using executor_type = Executor;

    channel_state(std::shared_ptr<detail::hub<Executor>> in, ivshmem::channel opened)
        : hub{std::move(in)}, channel{std::move(opened)}, driver{channel},
          receiving{hub->get_executor()}, sending{hub->get_executor()},
          draining{hub->get_executor()},
          connecting{hub->get_executor()}, changing{hub->get_executor()}, membership_{*hub, *this} {
        if (channel.is_polling())
            hub->poll();
    }

    bool look() override {
        if (!channel.is_open())
            return false; // operations under way were aborted
        std::error_code ec;
        channel.update(ec);
        const bool changed = noticed();
        if (!ec && !changed && sleeping())
            return false;
        const bool data = !receiving.empty() && driver.has_data(); // room may be reported late
        open_gates();
        return data || changed;
    }
    [[nodiscard]] bool waiting() const override {
        return !receiving.empty() || !sending.empty() || !draining.empty() || !connecting.empty() ||
               !changing.empty() || unread();
    }
    void ring_again() override {
        if (unread() && !driver.drained())
            driver.ring_again();
    }
    void fail(const boost::system::error_code& why) override {
        failed = why;
        open_gates();
    }

    /// The events that the operations under way wait for.
    [[nodiscard]] std::uint32_t wanted() const noexcept {
        return (receiving.empty() ? 0U : ivshmem::channel_driver::for_data) |
               (sending.empty() ? 0U : ivshmem::channel_driver::for_room) |
               (draining.empty() ? 0U : ivshmem::channel_driver::for_drained);
    }
    /// Arms the channel; returns true if there is nothing to do. Otherwise opens the gates of all
    /// operations that wait for the peer, because an event may concern another operation than the
    /// caller's.
    bool sleeping() {
        noticed(); // an operation that waits from now on waits for the next change
        const std::uint32_t what = wanted();
        if (what == 0 || driver.arm(what))
            return true;
        receiving.open();
        sending.open();
        draining.open();
        return false;
    }
    void done() noexcept {
        noticed();
        if (wanted() == 0)
            driver.disarm();
    }
    void open_gates() noexcept {
        receiving.open();
        sending.open();
        draining.open();
        connecting.open();
        changing.open();
    }
    /// @param before The state in which the previous session ended.
    void reopened(ivshmem::channel_state before) {
        if (before != ivshmem::channel_state::opening) {
            receiving.end();
            sending.end();
            draining.end();
        }
        bytes_read = 0;
        reported_state = ivshmem::channel_state::opening;
        reported_finished = false;
        open_gates();
    }
    void abort() noexcept {
        ++epoch;
        receiving.open_for_all();
        sending.open_for_all();
        draining.open_for_all();
        connecting.open_for_all();
        changing.open_for_all();
    }
    /// Called after a message was sent. The doorbell does not confirm that the peer took it, so the
    /// hub looks again.
    void sent() {
        if (const auto rings = driver.rings(); rings != rings_seen_) {
            rings_seen_ = rings;
            hub->expect();
        }
    }

    const std::shared_ptr<detail::hub<Executor>> hub;
    ivshmem::channel channel;
    ivshmem::channel_driver driver;
    gate<Executor> receiving;
    gate<Executor> sending;
    gate<Executor> draining;
    gate<Executor> connecting;
    gate<Executor> changing;
    boost::system::error_code failed;
    unsigned epoch = 0;         ///< grows with each close() and cancel()
    std::size_t bytes_read = 0; ///< that a stream has read of the message at the front
    std::uint32_t session = 0;  ///< the session of bytes_read
    /// Whether the last wait was short enough for spinning to pay.
    bool spin_pays = false;
    /// The state that async_next_event() reported last.
    ivshmem::channel_state reported_state = ivshmem::channel_state::opening;
    bool reported_finished = false;

  private:
    /// Opens all gates if the state has changed, no matter which call noticed it first.
    bool noticed() noexcept {
        const bool changed =
            channel.state() != noticed_state_ || channel.peer_finished() != noticed_finished_;
        if (changed) {
            noticed_state_ = channel.state();
            noticed_finished_ = channel.peer_finished();
            open_gates();
        }
        return changed;
    }
    [[nodiscard]] bool unread() const {
        return channel.state() == ivshmem::channel_state::connected && driver.unread() != 0;
    }

    std::uint64_t rings_seen_ = 0;
    ivshmem::channel_state noticed_state_ = ivshmem::channel_state::opening;
    bool noticed_finished_ = false;
    const hub_membership<Executor> membership_; ///< last, so that all other members exist
};

} // namespace ivshmem::asio::detail
