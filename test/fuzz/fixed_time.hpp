// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <chrono>

namespace test {

/// The steady clock shows the same time after each call, so an input has the same effect each time.
/// From then on, it moves by 1 us with each look at it, by each sleep, which takes no time, and by
/// pass().
void restart_time();
/// Moves the steady clock. Timers of Asio that are due expire in the next poll().
void pass(std::chrono::nanoseconds time);

} // namespace test
