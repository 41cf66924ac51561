// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "doctor/examined_device.hpp"
#include "doctor/finding.hpp"

#include <optional>
#include <vector>

namespace ivshmemctl {

/// @name The checks, in the order in which they are made Each check covers one thing that can keep
/// a device from working. No check changes anything.
/// @{

// doctor_device.cpp
[[nodiscard]] finding check_device(const examined_device& target);
[[nodiscard]] finding check_bars(const examined_device& target);
[[nodiscard]] finding check_msix(const examined_device& target);
// doctor_kernel.cpp
[[nodiscard]] finding check_kernel_config(const examined_device& target);
[[nodiscard]] finding check_lockdown(const examined_device& target);
[[nodiscard]] finding check_modules(const examined_device& target);
// doctor_iommu.cpp
[[nodiscard]] finding check_iommu(const examined_device& target);
[[nodiscard]] finding check_group(const examined_device& target);
[[nodiscard]] finding check_remapping(const examined_device& target);
[[nodiscard]] finding check_noiommu(const examined_device& target);
// doctor_driver.cpp
[[nodiscard]] finding check_driver(const examined_device& target);
[[nodiscard]] finding check_node(const examined_device& target);
// doctor_use.cpp: these open the device, unless the tree is captured
[[nodiscard]] std::vector<finding> check_use(const examined_device& target);
// doctor_forward.cpp
/// Nothing if ivshmem-forward is not configured. It keeps no device from working.
[[nodiscard]] std::optional<finding> check_forward(const examined_device& target);
/// @}

} // namespace ivshmemctl
