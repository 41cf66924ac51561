// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "setup/transaction.hpp"

#include <ivshmem/device_info.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace ivshmemctl {

/// The driver to bind a device to, and how.
struct binding {
    std::string driver;    ///< "none": no driver
    bool persist = false;  ///< also after each boot
    bool cached = false;   ///< drop the MTRR ranges that prevent a write-back mapping
    bool no_iommu = false; ///< vfio-pci without an IOMMU group
};

/// The udev rule that binds the device when it appears: its path and its content.
[[nodiscard]] std::string udev_rule_path(const ivshmem::pci_address& address);
[[nodiscard]] std::string udev_rule(const ivshmem::device_info& device, const std::string& driver);

/// Returns the command that loads a driver's module.
[[nodiscard]] std::vector<std::string> modprobe_words(const std::string& driver);

/// Returns whether the device is bound to the driver, whatever `persist` and `cached` ask for.
[[nodiscard]] bool is_bound(const ivshmem::device_info& device, const std::string& driver);

/// Adds the operations that bind a device; none if the device is already as wanted.
void add_binding(transaction& plan, const ivshmem::device_info& device, const binding& wanted,
                 const std::filesystem::path& root);

/// Adds the operations that unbind a device from its driver and undo all that add_binding() did.
void add_unbinding(transaction& plan, const ivshmem::device_info& device,
                   const std::filesystem::path& root);

} // namespace ivshmemctl
