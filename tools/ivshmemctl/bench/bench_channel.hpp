// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "bench/bench_rounds.hpp"

#include <ivshmem/device.hpp>

namespace ivshmemctl {

/// The speed of messages between two threads of this process that never sleep.
struct channel_speed {
    round_times round_trips{};   ///< of 8 bytes
    double small_per_second = 0; ///< messages of 64 bytes, one way
    double large_mib = 0;        ///< MiB per second in messages of a quarter of the ring
    std::uint32_t large_size = 0;
};

/// Measures a channel between two slots of the memory, and restores the memory. The result is
/// meaningless after caught_signals::arrived().
/// @throws ivshmem::error errc::geometry_mismatch or slot_in_use if peers already use channels.
channel_speed measure_channel(const ivshmem::device& device);

} // namespace ivshmemctl
