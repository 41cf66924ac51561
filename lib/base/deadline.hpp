// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <chrono>

namespace ivshmem {

/// Returns the time at which `timeout` from now is over; the clock's maximum if that is later.
inline std::chrono::steady_clock::time_point
deadline_after(std::chrono::milliseconds timeout) noexcept {
    using clock = std::chrono::steady_clock;
    const auto now = clock::now();
    const auto left = clock::time_point::max() - now;
    return timeout < std::chrono::duration_cast<std::chrono::milliseconds>(left)
               ? now + timeout
               : clock::time_point::max();
}

} // namespace ivshmem
