// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "bench/bench_rounds.hpp"

#include <ivshmem/device.hpp>

namespace ivshmemctl {

/// Messages between two threads of this process, which never sleep.
struct channel_speed {
    round_times round_trips{};   ///< of 8 bytes
    double small_per_second = 0; ///< messages of 64 bytes, one way
    double large_mib = 0;        ///< MiB a second in messages of a quarter of the ring
    std::uint32_t large_size = 0;
};

/// Takes two slots of the memory, and puts back what was there. After caught_signals::arrived() the
/// result means nothing.
/// @throws ivshmem::error errc::geometry_mismatch or slot_in_use where peers use channels already.
channel_speed measure_channel(const ivshmem::device& device);

} // namespace ivshmemctl
