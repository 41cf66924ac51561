// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>
#include <ivshmem/export.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace ivshmem {

/// A PCI function that is no ivshmem device.
struct pci_function {
    pci_address address;
    std::uint16_t vendor = 0;
    std::uint16_t device = 0;
};

/// The result of discover().
struct discovery {
    std::vector<device_info> devices; ///< by PCI address, ascending
    std::vector<pci_function> others; ///< the other PCI functions, in no order
    /// One line for each PCI device that could not be examined, with the file and the error.
    std::vector<std::string> problems;
};

/// Finds every ivshmem device (1af4:1110, 110a:4106) under sysfs. Opens no device, changes nothing
/// and needs no privilege; leaves out facts that this process may not read, and names them in a
/// problem.
///
/// @param root The directory that holds `sys` and `dev`; a captured tree, or "/".
/// @throws error errc::sysfs_unavailable if root/sys/bus/pci/devices cannot be listed;
/// errc::descriptor_limit if no descriptor is free.
/// @par Thread Safety
/// Safe.
[[nodiscard]] IVSHMEM_API discovery discover(const std::filesystem::path& root = "/");
[[nodiscard]] IVSHMEM_API discovery discover(const std::filesystem::path& root,
                                             std::error_code& ec);

} // namespace ivshmem
