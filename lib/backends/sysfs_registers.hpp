// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/registers.hpp"
#include "base/failure.hpp"
#include "base/mapping.hpp"

#include <ivshmem/device.hpp>

namespace ivshmem {

/// Fails if BAR0 is too small for the registers.
void check_register_bytes(const device_info& info, failure& f);

/// Returns the registers in a mapping of the page in which BAR0 begins.
registers registers_in_page(const mapping& page, const bar_info& bar0);

/// Maps the registers through sysfs (resource0).
/// @param page Set to the mapping, which the registers need.
registers map_sysfs_registers(const device_info& info, const open_options& options, mapping& page,
                              failure& f);

} // namespace ivshmem
