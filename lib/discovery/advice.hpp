// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>

#include <string>
#include <string_view>

// The advice that a machine can follow. diagnose() uses it, and nothing else gives advice about
// drivers and IOMMUs, so that all tools say the same.

namespace ivshmem {

/// Returns the command that binds an ivshmem device to a driver; see ivshmemctl(8).
[[nodiscard]] std::string bind_command(std::string_view driver, std::string_view device);

/// Returns the driver with which most of the device works on this machine: vfio-pci, igb_uio,
/// uio_pci_generic or none; empty if no driver delivers interrupts of a device that has them.
[[nodiscard]] std::string suitable_driver(const device_info& info);

/// Returns how to get an IOMMU group for the device.
[[nodiscard]] std::string iommu_remedy(const device_info& info);

/// Returns how to get the driver for an ivshmem-v2 device that vfio-pci cannot use, or not without
/// a vIOMMU. No distribution has it.
[[nodiscard]] std::string get_uio_ivshmem();

/// Returns how to get interrupts, or any use of a device that is bound to an unusable driver.
[[nodiscard]] std::string driver_remedy(const device_info& info);

/// Returns why the kernel delivers no message-signalled interrupts; empty if it does.
[[nodiscard]] std::string msi_problem(const device_info& info);
[[nodiscard]] std::string msi_remedy(const device_info& info);

/// Returns the mode that igb_uio was loaded with, if no interrupt of an ivshmem device arrives in
/// it; else an empty text. The device has MSI-X only, which intr_mode=msix, the default, uses; of a
/// device with INTx any mode delivers the interrupt.
[[nodiscard]] std::string wrong_igb_uio_mode(const device_info& info);

/// Returns how to make VFIO accept a group whose IOMMU remaps no interrupts.
[[nodiscard]] std::string remapping_remedy(const machine_info& machine);

/// Returns the command that gives this process a file of sysfs or /dev.
[[nodiscard]] std::string access_remedy(const device_info& info, const device_node& node);

} // namespace ivshmem
