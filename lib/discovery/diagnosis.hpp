// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "discovery/privileges.hpp"

#include <ivshmem/device_info.hpp>
#include <ivshmem/diagnosis.hpp>

namespace ivshmem {

/// Diagnoses for a process with the given privileges; the public diagnose() does so for this
/// process.
[[nodiscard]] diagnosis diagnose(const device_info& info, const privileges& may);

/// The size of BAR0 of a v1 device (ivshmem-spec.rst).
inline constexpr std::uint64_t v1_register_bytes = 256;

/// Returns whether a device with v1's ids may have other registers, because BAR0 is larger than
/// v1's. Only ACRN made it larger once, with v1's registers in it.
bool may_have_other_registers(const device_info& info);

/// Returns whether the bound driver is a uio_pci_generic that delivers interrupts: ACRN's, which
/// sets up all vectors, or that of any kernel for a device with INTx.
bool generic_delivers(const device_info& info);

/// Returns whether a function keeps its group from being viable. The kernel's rule (drivers/vfio,
/// since 5.18 drivers/iommu): no function may be bound to a driver that does DMA for the kernel,
/// unlike bridges, pci-stub and VFIO's drivers.
bool holds_group_back(const group_function& member);

} // namespace ivshmem
