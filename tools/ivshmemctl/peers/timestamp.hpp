// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <chrono>
#include <string>

namespace ivshmemctl {

/// The time of an event, by both clocks.
struct timestamp {
    std::chrono::nanoseconds real;      ///< since the Epoch
    std::chrono::nanoseconds monotonic; ///< since an arbitrary start; never set back

    static timestamp now();
};

/// "1732131430.123456789"
std::string in_seconds(std::chrono::nanoseconds time);
/// "2024-11-20T20:37:10.123456789+0100", in local time.
std::string in_local_time(std::chrono::nanoseconds since_epoch);

} // namespace ivshmemctl
