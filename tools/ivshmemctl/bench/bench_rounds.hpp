// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "caught_signals.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

namespace ivshmemctl {

/// The durations of many rounds, in nanoseconds, ascending.
using round_times = std::vector<double>;

/// Repeats `round()` for 300 ms or until caught_signals::arrived(). The first round warms the
/// caches and does not count.
template <typename Round>
round_times time_rounds(Round&& round) {
    using clock = std::chrono::steady_clock;
    round_times times;
    round();
    const auto end = clock::now() + std::chrono::milliseconds{300};
    auto begin = clock::now();
    do {
        round();
        const auto now = clock::now();
        times.push_back(std::chrono::duration<double, std::nano>(now - begin).count());
        begin = now;
    } while (begin < end && !caught_signals::arrived());
    std::sort(times.begin(), times.end());
    return times;
}

/// Returns the median.
/// @pre There is at least one round.
inline double median(const round_times& times) {
    return times[times.size() / 2];
}

} // namespace ivshmemctl
