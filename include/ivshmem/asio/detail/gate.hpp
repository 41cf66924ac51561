// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <boost/asio/basic_waitable_timer.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>

namespace ivshmem::asio::detail {

/// Where operations of one kind wait, in line: only the first of them may go on, and all wake up
/// when the gate is opened.
template <typename Executor>
class gate {
  public:
    explicit gate(const Executor& executor) : timer_{executor, timer::time_point::max()} {}

    /// @return A ticket. Tickets are in the order of entering.
    std::uint64_t enter() {
        line_.push_back(next_);
        return next_++;
    }
    [[nodiscard]] bool is_first(std::uint64_t ticket) const noexcept {
        return line_.front() == ticket;
    }
    void leave(std::uint64_t ticket) {
        const bool was_first = is_first(ticket);
        line_.erase(std::find(line_.begin(), line_.end(), ticket));
        if (was_first && !line_.empty())
            open();
    }
    [[nodiscard]] bool empty() const noexcept { return line_.empty(); }
    /// What those in line came for is over. They leave by themselves.
    void end() {
        ended_ = next_;
        open();
    }
    [[nodiscard]] bool is_over(std::uint64_t ticket) const noexcept { return ticket < ended_; }

    /// The handler is called with an error once the gate opens, or on cancellation of it alone.
    template <typename Handler>
    void async_wait(Handler&& handler) {
        timer_.async_wait(std::forward<Handler>(handler));
    }
    void open() { timer_.cancel(); }

  private:
    using timer = boost::asio::basic_waitable_timer<
        std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;

    timer timer_;
    std::deque<std::uint64_t> line_;
    std::uint64_t next_ = 0;
    std::uint64_t ended_ = 0; ///< tickets below this are over
};

} // namespace ivshmem::asio::detail
