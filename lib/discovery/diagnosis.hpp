// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "discovery/privileges.hpp"

#include <ivshmem/device_info.hpp>
#include <ivshmem/diagnosis.hpp>

#include <string>
#include <string_view>

namespace ivshmem {

/// Judges for a process with the given privileges; the public diagnose() judges for this one.
[[nodiscard]] diagnosis diagnose(const device_info& info, const privileges& may);

/// The command that binds an ivshmem device to a driver; see ivshmemctl(8).
[[nodiscard]] std::string bind_command(std::string_view driver, std::string_view device);

/// Whether a function keeps its group from being viable. The kernel's rule (drivers/vfio, since
/// 5.18 drivers/iommu): none may be bound to a driver that does DMA for the kernel, which bridges,
/// pci-stub and VFIO's drivers do not.
bool holds_group_back(const group_function& member);

} // namespace ivshmem
