// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <chrono>

namespace ivshmem::asio {

/// How a slot waits for its peers.
///
/// Whoever waits looks again after `recheck`, then after twice that, and so on while nothing
/// happens, up to a limit: so a doorbell that is lost costs time, never a message. With each thing
/// that happens it begins anew.
struct waiting_options {
    /// How long to look again and again, giving other handlers their turn, before sleeping. Done
    /// only where the last wait was so short. 0: never.
    std::chrono::microseconds spin{50};
    /// The first period after which to look again. Without interrupts a tenth of a millisecond is
    /// the first period, and this the limit, taken to be 1 ms to 100 ms then.
    std::chrono::milliseconds recheck{10};
    /// The limit while no doorbell was seen to arrive, or one was seen to be lost.
    std::chrono::milliseconds doubtful_recheck{1000};
    /// The limit where doorbells arrive. Idle channels wake the process as seldom as this.
    std::chrono::milliseconds idle_recheck{60'000};
};

} // namespace ivshmem::asio
