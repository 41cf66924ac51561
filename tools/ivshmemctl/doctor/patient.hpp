// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "finding.hpp"

#include <ivshmem/device_info.hpp>
#include <ivshmem/diagnosis.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace ivshmemctl {

/// The device that doctor looks at, and the machine it is in.
struct patient {
    ivshmem::device_info info;
    ivshmem::diagnosis verdict; ///< the library's
    std::filesystem::path root;

    [[nodiscard]] std::string name() const { return to_string(info.address); }
    [[nodiscard]] bool is_plain() const { return info.type == ivshmem::device_type::plain; }
    /// A tree that was copied from a machine: there is no device to open.
    [[nodiscard]] bool is_captured() const { return root != "/"; }
    [[nodiscard]] bool is_vfio() const { return info.driver == "vfio-pci"; }
};

/// @name The checks, in the order in which they are made
/// Each names a thing that can keep a device from working. None changes anything.
/// @{

// doctor_device.cpp
[[nodiscard]] finding check_device(const patient& p);
[[nodiscard]] finding check_bars(const patient& p);
[[nodiscard]] finding check_msix(const patient& p);
// doctor_kernel.cpp
[[nodiscard]] finding check_kernel_config(const patient& p);
[[nodiscard]] finding check_lockdown(const patient& p);
[[nodiscard]] finding check_modules(const patient& p);
// doctor_iommu.cpp
[[nodiscard]] finding check_iommu(const patient& p);
[[nodiscard]] finding check_group(const patient& p);
[[nodiscard]] finding check_remapping(const patient& p);
[[nodiscard]] finding check_noiommu(const patient& p);
// doctor_driver.cpp
[[nodiscard]] finding check_driver(const patient& p);
[[nodiscard]] finding check_node(const patient& p);
// doctor_use.cpp: these open the device, unless the tree is captured
[[nodiscard]] std::vector<finding> check_use(const patient& p);
/// @}

} // namespace ivshmemctl
