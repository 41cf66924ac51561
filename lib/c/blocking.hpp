// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "c/channel_object.hpp"
#include "c/failures.hpp"
#include "c/slot_object.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>

namespace ivshmem::capi {

/// The time that a blocking function may take, and how long it sleeps at a time: briefly at first,
/// because the ring for it may have been lost; then longer.
class patience {
  public:
    /// @param timeout_ms Negative: no limit.
    explicit patience(int timeout_ms)
        : end_{timeout_ms < 0 ? clock::time_point::max()
                              : clock::now() + std::chrono::milliseconds{timeout_ms}} {}

    /// Returns how long to sleep now. @throws error errc::timed_out.
    /// @param longest Of a sleep.
    std::chrono::nanoseconds next(std::chrono::nanoseconds longest = often) {
        const auto left = end_ - clock::now();
        if (left <= clock::duration::zero())
            throw error{errc::timed_out, "the timeout expired"};
        const auto now = period_;
        period_ = std::min(period_ * 2, longest);
        return std::min<std::chrono::nanoseconds>(left, now);
    }

  private:
    using clock = std::chrono::steady_clock;

    /// A peer that claims the slot waits 250 ms for an answer, by default.
    static constexpr std::chrono::milliseconds often{100};

    clock::time_point end_;
    std::chrono::nanoseconds period_ = std::chrono::milliseconds{10};
};

/// Repeats an attempt until it returns something else than -EAGAIN.
/// @throws error errc::timed_out; as held_slot::wait().
template <typename Attempt>
int until_done(held_slot& in, int timeout_ms, Attempt attempt) {
    patience left{timeout_ms};
    for (;;) {
        if (const int result = attempt(); result != -EAGAIN)
            return result;
        in.wait(left.next());
    }
}

/// Repeats an attempt with a channel. An attempt that fails because the channel is not connected
/// yet is repeated, too.
/// @param attempt Returns whether it is done, or stores an error in of.ec.
/// @throws error the error of the attempt; errc::timed_out; as held_slot::wait().
template <typename Attempt>
void until_done(channel_object& of, std::uint32_t what, int timeout_ms, Attempt attempt) {
    using namespace std::chrono_literals;
    struct {
        bool arm() const { return of.arm(what); }
        void disarm() const { of.disarm(); }
        channel_driver& of;
        std::uint32_t what;
    } ring{of.driver, what};
    patience left{timeout_ms};
    while (!attempt()) {
        if (of.ec == errc::not_connected)
            of.ec.clear();
        of.raise();
        const auto time = left.next();
        of.in->wait(ring,
                    of.channel.is_polling() ? std::min<std::chrono::nanoseconds>(time, 1ms) : time);
        of.channel.update(of.ec);
        of.raise();
        of.driver.ring_again(); // the last ring may have been lost
    }
    of.raise();
}

} // namespace ivshmem::capi
