// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "bench/bench_rounds.hpp"

#include <ivshmem/device.hpp>

namespace ivshmemctl {

/// Returns the nanoseconds that a ring costs the sender. Rings this device's own id, which disturbs
/// no peer.
/// @pre capabilities().ring
double measure_ring(ivshmem::device& device);

/// Measures the time from a ring of the own id to its interrupt.
/// @pre capabilities().interrupts != 0
/// @throws ivshmem::error errc::timed_out if an interrupt does not arrive.
round_times measure_self_rings(ivshmem::device& device);

} // namespace ivshmemctl
