// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/backend.hpp"
#include "backends/vfio_device.hpp"
#include "base/mapping.hpp"

#include <cstdint>

#include <linux/vfio.h>

namespace ivshmem {

/// Returns the registers in BAR0 of a device: mapped, or reached through system calls if BAR0
/// shares its page with another BAR, which the description then says.
/// @param bar0 Set to the mapping, which the registers need.
template <typename Registers>
Registers map_registers_of(const vfio_device& device, backend_facts& facts, mapping& bar0,
                           failure& f) {
    const auto region = device.region_info(VFIO_PCI_BAR0_REGION_INDEX, f);
    if (!f && region.size < Registers::used_bytes)
        f.set(errc::bar_missing, "{}: BAR0 has {} bytes, too few for the registers", facts.name,
              region.size);
    if (f)
        return {};
    if (region.can_mmap)
        bar0 = mapping{device.fd(), region.size, static_cast<off_t>(region.offset)};
    if (bar0) {
        void* const base = bar0.bytes().data();
        return Registers{static_cast<volatile std::uint32_t*>(base)};
    }
    facts.description += ", registers through system calls";
    return Registers{device.fd(), region.offset};
}

} // namespace ivshmem
