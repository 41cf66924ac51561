// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "transports/shared_memory.hpp"

#include <array>
#include <atomic>
#include <functional>

#include <sched.h>

namespace bench {

/// The first two processors that this process may use; one twice if there are no two.
std::array<int, 2> two_processors();

/// Where both processes wait for each other.
class meeting {
  public:
    /// Returns when `first` has come to this point and `second` too, as often as each has called.
    void meet() {
        const unsigned wanted = 2 * ++met_;
        arrived_->fetch_add(1);
        while (arrived_->load() < wanted)
            ::sched_yield();
    }

  private:
    shared_object<std::atomic<unsigned>> arrived_{0U};
    unsigned met_ = 0;
};

/// Runs `first` here and `second` in a child, each on its processor. Ends the whole program, with
/// status 1 and a word about why, when the child fails or the seconds are over; the child never
/// outlives this process.
void play_in_two_processes(const std::array<int, 2>& processors, unsigned seconds,
                           const std::function<void()>& first, const std::function<void()>& second);

} // namespace bench
