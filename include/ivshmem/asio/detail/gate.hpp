// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <boost/asio/basic_waitable_timer.hpp>

#include <chrono>
#include <cstddef>
#include <iterator>
#include <list>
#include <utility>

namespace ivshmem::asio::detail {

/// A line in which operations of one kind wait. Opening the gate wakes only the first of them, so a
/// completion costs the same however long the line is.
template <typename Executor>
class gate {
    using clock = std::chrono::steady_clock;
    using timer =
        boost::asio::basic_waitable_timer<clock, boost::asio::wait_traits<clock>, Executor>;

    struct waiter {
        explicit waiter(const Executor& executor) : opened{executor, timer::time_point::max()} {}

        timer opened; ///< never expires; cancelling it wakes the operation
        bool over = false;
    };
    using waiters = std::list<waiter>;

  public:
    /// The place of one operation in the line. Its destructor leaves the line and lets the next
    /// operation continue.
    class place {
      public:
        place() noexcept = default;
        place(place&& other) noexcept
            : gate_{std::exchange(other.gate_, nullptr)}, at_{other.at_} {}
        place& operator=(place&& other) noexcept {
            std::swap(gate_, other.gate_);
            std::swap(at_, other.at_);
            return *this;
        }
        ~place() { leave(); }

        /// Whether this is a place: it was neither left nor moved from.
        explicit operator bool() const noexcept { return gate_ != nullptr; }
        /// @pre *this
        [[nodiscard]] bool is_first() const noexcept { return gate_->line_.begin() == at_; }
        /// Whether gate::end() was called since. @pre *this
        [[nodiscard]] bool is_over() const noexcept { return at_->over; }
        void leave() noexcept {
            if (gate_ != nullptr)
                std::exchange(gate_, nullptr)->remove(at_);
        }
        /// Calls the handler with an error when the gate opens for this place, or when this wait is
        /// cancelled. The place may be part of the handler. @pre *this
        template <typename Handler>
        void async_wait(Handler&& handler) {
            auto& opened = at_->opened; // a reference to the timer, which does not move
            opened.async_wait(std::forward<Handler>(handler));
        }

      private:
        friend class gate;
        place(gate& of, typename waiters::iterator at) noexcept : gate_{&of}, at_{at} {}

        gate* gate_ = nullptr;
        typename waiters::iterator at_{};
    };

    explicit gate(const Executor& executor) : executor_{executor} {}
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;
    ~gate() = default;

    /// Takes the last place. The gate must outlive it.
    [[nodiscard]] place enter() {
        if (spare_.empty())
            line_.emplace_back(executor_);
        else
            line_.splice(line_.end(), spare_, spare_.begin());
        return {*this, std::prev(line_.end())};
    }
    [[nodiscard]] bool empty() const noexcept { return line_.empty(); }
    /// Wakes the first operation in line.
    void open() noexcept {
        if (!line_.empty())
            line_.front().opened.cancel();
    }
    /// Wakes all operations in line.
    void open_for_all() noexcept {
        for (auto& each : line_)
            each.opened.cancel();
    }
    /// Ends the session that the operations in line belong to. They leave the line themselves.
    void end() noexcept {
        for (auto& each : line_)
            each.over = true;
        open_for_all();
    }

  private:
    /// The number of unused places to keep, so that a steady state allocates nothing.
    static constexpr std::size_t most_spare = 16;

    void remove(typename waiters::iterator at) noexcept {
        const bool was_first = at == line_.begin();
        at->over = false;
        if (spare_.size() < most_spare)
            spare_.splice(spare_.begin(), line_, at);
        else
            line_.erase(at);
        if (was_first)
            open();
    }

    Executor executor_;
    waiters line_;
    waiters spare_;
};

} // namespace ivshmem::asio::detail
