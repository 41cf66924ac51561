// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/error_conversion.hpp>
#include <ivshmem/asio/detail/slot_interrupt.hpp>
#include <ivshmem/asio/detail/sole_entry.hpp>
#include <ivshmem/asio/waiting_options.hpp>
#include <ivshmem/channel.hpp>
#include <ivshmem/slot.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace ivshmem::asio::detail {

/// A channel, acceptor or connector that a hub wakes.
class hub_member {
  public:
    hub_member() = default;
    hub_member(const hub_member&) = delete;
    hub_member& operator=(const hub_member&) = delete;
    virtual ~hub_member() = default;

    /// Checks whether there is something to do, and wakes the operations that wait for it.
    /// @return Whether the peer should have rung for it at once.
    virtual bool look() = 0;
    /// Whether to look again later, without a doorbell.
    [[nodiscard]] virtual bool waiting() const = 0;
    /// Rings again if an outgoing ring was lost.
    virtual void ring_again() {}
    /// Reports that no ring will arrive any more, and the reason.
    virtual void fail(const boost::system::error_code& why) = 0;
};

/// Waits for the interrupts of a slot on behalf of all of its channels, and looks again in case a
/// ring was lost.
template <typename Executor>
class hub : public std::enable_shared_from_this<hub<Executor>> {
  public:
    /// @param of_slot Open if the slot has interrupts.
    hub(slot_interrupt<Executor> of_slot, ivshmem::slot claimed, const waiting_options& options)
        : slot{std::move(claimed)}, waiting{options}, interrupt_{std::move(of_slot)},
          timer_{interrupt_.get_executor()}, beats_{interrupt_.get_executor()},
          has_interrupts_{slot.has_interrupts()}, beat_period_{slot.heartbeat()} {}
    /// Of a closed slot.
    explicit hub(const Executor& executor)
        : interrupt_{executor}, timer_{executor}, beats_{executor},
          has_interrupts_{false}, failed_{std::error_code{errc::closed}} {}

    [[nodiscard]] Executor get_executor() { return timer_.get_executor(); }

    void start() {
        if (has_interrupts_)
            wait_for_interrupts();
        else
            expect(); // peers that claim this slot must be answered
        if (beat_period_ != clock::duration{})
            beat_later();
    }
    /// Switches to the shorter periods that a polling channel needs.
    void poll() { polling_ = true; }
    /// Fails if the options name a vector other than the slot's. @pre slot.is_open()
    void check(const channel_options& of_channel, std::error_code& ec) const {
        if (has_interrupts_ && of_channel.vector.value_or(slot.vector()) != slot.vector())
            ec = errc::vector_out_of_range;
    }
    void add(hub_member& m) {
        const sole_entry here{occupied};
        const auto unused = std::find(members_.begin(), members_.end(), nullptr);
        if (unused != members_.end())
            *unused = &m;
        else
            members_.push_back(&m);
        if (failed_)
            m.fail(failed_);
    }
    void remove(hub_member& m) noexcept {
        const sole_entry here{occupied};
        const auto at = std::find(members_.begin(), members_.end(), &m);
        if (at != members_.end())
            *at = nullptr; // look() may be iterating
    }
    /// Looks again soon: an event may arrive without a ring.
    void expect() {
        const sole_entry here{occupied};
        if (failed_) // no wait is under way any more
            return;
        if (has_interrupts_ && waiting_ == 0) // the handler was dropped
            wait_for_interrupts();
        if (beat_period_ != clock::duration{} && beating_ == 0)
            beat_later();
        period_ = first_period();
        if (ticking_ == 0 || timer_.expiry() > clock::now() + period_)
            tick_later();
    }
    void close() {
        const sole_entry here{occupied};
        interrupt_.close();
        timer_.cancel();
        beats_.cancel();
        fail(to_boost(errc::closed));
        slot.close();
    }

    ivshmem::slot slot;
    const waiting_options waiting;
    occupancy occupied;

  private:
    using clock = std::chrono::steady_clock;

    /// Whether peers ring for all events.
    [[nodiscard]] bool is_rung() const { return has_interrupts_ && !polling_; }
    clock::duration first_period() const {
        return is_rung() ? clock::duration{waiting.recheck}
                         : clock::duration{std::chrono::microseconds{100}};
    }
    clock::duration last_period() const {
        if (!is_rung()) // often enough to answer peers that claim this slot
            return std::clamp<clock::duration>(waiting.recheck, std::chrono::milliseconds{1},
                                               std::chrono::milliseconds{100});
        return proven_ ? waiting.idle_recheck : waiting.doubtful_recheck;
    }

    /// A handler of the hub is under way until this object is destroyed, even if the handler is
    /// dropped.
    class under_way {
      public:
        under_way(hub& of, std::uint64_t hub::*which)
            : hub_{of.weak_from_this()}, which_{which}, number_{++of.started_} {
            of.*which = number_;
        }
        under_way(under_way&&) noexcept = default;
        under_way& operator=(under_way&&) = delete;
        ~under_way() { end(); }

        /// @return The hub, or null if it is gone.
        std::shared_ptr<hub> end() noexcept {
            auto of = std::exchange(hub_, {}).lock();
            if (of && of.get()->*which_ == number_)
                of.get()->*which_ = 0;
            return of;
        }

      private:
        std::weak_ptr<hub> hub_;
        std::uint64_t hub::*which_;
        std::uint64_t number_;
    };

    void wait_for_interrupts() {
        interrupt_.async_wait(
            [waiting = under_way{*this, &hub::waiting_}](const boost::system::error_code& ec,
                                                         std::uint64_t rings) mutable {
                const auto self = waiting.end();
                if (!self || ec == boost::asio::error::operation_aborted)
                    return;
                if (ec)
                    return self->fail(ec);
                if (rings != 0) { // else a peer has left
                    self->proven_ = true;
                    self->unannounced_ = 0;
                }
                self->wait_for_interrupts(); // also if a member throws
                self->look();
            });
    }
    bool look() {
        const sole_entry here{occupied};
        std::error_code ec;
        slot.answer_claims(ec);
        if (ec)
            fail(to_boost(ec));
        bool found = false;
        for (std::size_t i = 0; i < members_.size(); ++i)
            if (members_[i] != nullptr)
                found = members_[i]->look() || found;
        return found;
    }
    void fail(const boost::system::error_code& why) {
        failed_ = why;
        for (std::size_t i = 0; i < members_.size(); ++i)
            if (members_[i] != nullptr)
                members_[i]->fail(why);
    }

    void tick_later() {
        timer_.expires_after(period_);
        timer_.async_wait([ticking = under_way{*this, &hub::ticking_}](
                              const boost::system::error_code& ec) mutable {
            const auto self = ticking.end();
            if (self && !ec)
                self->tick();
        });
    }
    /// Beats, and looks whether the peers do, once a period.
    void beat_later() {
        beats_.expires_after(beat_period_);
        beats_.async_wait([beating = under_way{*this, &hub::beating_}](
                              const boost::system::error_code& ec) mutable {
            const auto self = beating.end();
            if (!self || ec || self->failed_)
                return;
            self->beat_later(); // also if a member throws
            self->look();
        });
    }
    void tick() {
        if (failed_) // since the timer expired
            return;
        tick_later(); // also if a member throws
        const bool found = look();
        for (std::size_t i = 0; i < members_.size(); ++i)
            if (members_[i] != nullptr)
                members_[i]->ring_again();
        if (found && ++unannounced_ > 1) // a single one may be a doorbell on its way
            proven_ = false;
        period_ = found ? first_period() : std::min(period_ * 2, last_period());
        const bool needed = std::any_of(members_.begin(), members_.end(),
                                        [](hub_member* m) { return m != nullptr && m->waiting(); });
        if (!failed_ && (needed || !has_interrupts_)) {
            tick_later();
        } else {
            timer_.cancel();
            ticking_ = 0;
        }
    }

    slot_interrupt<Executor> interrupt_;
    using timer =
        boost::asio::basic_waitable_timer<clock, boost::asio::wait_traits<clock>, Executor>;
    timer timer_;
    timer beats_; ///< runs only if the slot beats
    std::vector<hub_member*> members_;
    const bool has_interrupts_;           ///< also when the slot is closed
    const clock::duration beat_period_{}; ///< 0: the slot does not beat
    bool polling_ = false;
    boost::system::error_code failed_;
    clock::duration period_{};
    std::uint64_t started_ = 0; ///< the number of the hub's handlers so far
    std::uint64_t waiting_ = 0; ///< the handler that waits for interrupts; 0: none
    std::uint64_t ticking_ = 0; ///< the handler that waits for the timer; 0: none
    std::uint64_t beating_ = 0; ///< the handler that waits for the next beat; 0: none
    bool proven_ = false;       ///< doorbells have arrived, and none was lost since
    unsigned unannounced_ = 0;  ///< events found without a doorbell since the last doorbell
};

/// Creates and starts a hub. @throws error as device::interrupt_fd(), or errc::closed if the slot
/// is not open.
template <typename Executor>
std::shared_ptr<hub<Executor>> make_hub(const Executor& executor, const device& of,
                                        ivshmem::slot claimed, const waiting_options& options) {
    if (!claimed.is_open())
        throw error{errc::closed, "waiting in a slot: it holds nothing"};
    slot_interrupt<Executor> interrupt{executor};
    if (claimed.has_interrupts())
        interrupt.open(of, claimed.vector());
    auto made = std::make_shared<hub<Executor>>(std::move(interrupt), std::move(claimed), options);
    made->start();
    return made;
}

/// Registers a member with its hub, and removes it on destruction.
template <typename Executor>
class hub_membership {
  public:
    hub_membership(hub<Executor>& in, hub_member& member) : in_{in}, member_{member} {
        in_.add(member_);
    }
    hub_membership(const hub_membership&) = delete;
    hub_membership& operator=(const hub_membership&) = delete;
    ~hub_membership() { in_.remove(member_); }

  private:
    hub<Executor>& in_;
    hub_member& member_;
};

/// Returns the hub of a slot after checking the options of a channel.
/// @throws error errc::closed (the slot was closed or moved from); as hub::check().
template <typename Executor>
const std::shared_ptr<hub<Executor>>& checked(const std::shared_ptr<hub<Executor>>& in,
                                              const channel_options& options) {
    if (!in || !in->slot.is_open())
        throw error{errc::closed, "channel: the asio::slot was closed or moved from"};
    std::error_code ec;
    in->check(options, ec);
    if (ec)
        throw error{ec, "channel: an asio::slot waits for its own vector only; name none"};
    return in;
}

} // namespace ivshmem::asio::detail
