// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <chrono>

namespace ivshmem::asio {

/// How a slot waits for its peers.
///
/// A waiting slot looks again after `recheck`, then after twice that, and so on up to a limit, so a
/// lost doorbell costs time but never a message. Each event resets the period to `recheck`.
struct waiting_options {
    /// How long to poll, between other handlers, before sleeping. Applies only if the last wait was
    /// shorter than twice this. 0: never poll.
    std::chrono::microseconds spin{50};
    /// The first period after which to look again. Without interrupts, the first period is 0.1 ms,
    /// and `recheck` is the limit, clamped to 1 ms to 100 ms.
    std::chrono::milliseconds recheck{10};
    /// The limit while no doorbell has been seen to arrive, or one has been seen to be lost.
    std::chrono::milliseconds doubtful_recheck{1000};
    /// The limit if doorbells arrive. Idle channels wake the process once in this period.
    std::chrono::milliseconds idle_recheck{60'000};
};

} // namespace ivshmem::asio
