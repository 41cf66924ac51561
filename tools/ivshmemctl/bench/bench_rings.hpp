// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "bench/bench_rounds.hpp"

#include <ivshmem/device.hpp>

namespace ivshmemctl {

/// Nanoseconds that a ring costs who rings: this device's own id, so nobody is disturbed.
/// @pre capabilities().ring
double measure_ring(ivshmem::device& device);

/// From ringing oneself to the interrupt. @pre capabilities().interrupts != 0
/// @throws ivshmem::error errc::timed_out where an interrupt did not arrive.
round_times measure_self_rings(ivshmem::device& device);

} // namespace ivshmemctl
