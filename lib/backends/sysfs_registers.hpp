// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/mapping.hpp"

#include <ivshmem/device.hpp>

#include <cstddef>
#include <cstdint>

namespace ivshmem {

/// Fails if BAR0 has fewer bytes than the registers use.
void check_register_bytes(const device_info& info, std::size_t used, failure& f);

/// Returns the first register in a mapping of the page in which BAR0 begins.
/// @param start The address of BAR0, or its place in the page.
volatile std::uint32_t* registers_in_page(const mapping& page, std::uint64_t start);

/// Maps BAR0 through sysfs (resource0).
/// @param page Set to the mapping of the page in which BAR0 begins. @return The first register.
volatile std::uint32_t* map_sysfs_bar0(const device_info& info, const open_options& options,
                                       mapping& page, failure& f);

/// Maps the registers through sysfs.
/// @param page Set to the mapping, which the registers need.
template <typename Registers>
Registers map_sysfs_registers(const device_info& info, const open_options& options, mapping& page,
                              failure& f) {
    check_register_bytes(info, Registers::used_bytes, f);
    volatile std::uint32_t* const base = f ? nullptr : map_sysfs_bar0(info, options, page, f);
    return base == nullptr ? Registers{} : Registers{base};
}

} // namespace ivshmem
