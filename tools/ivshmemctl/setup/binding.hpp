// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "setup/transaction.hpp"

#include <ivshmem/device_info.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace ivshmemctl {

/// What a device is to be bound to, and how.
struct binding {
    std::string driver;   ///< "none": none
    bool persist = false; ///< after each boot, too
    bool cached = false;  ///< drop what of the MTRRs forbids a write-back mapping
};

/// The file that has udev bind the device when it appears, and what is in it.
[[nodiscard]] std::string udev_rule_path(const ivshmem::pci_address& address);
[[nodiscard]] std::string udev_rule(const ivshmem::device_info& device, const std::string& driver);

/// The command that loads a driver's module.
[[nodiscard]] std::vector<std::string> modprobe_words(const std::string& driver);

/// Whether the device is bound so, apart from what persists and what is cached.
[[nodiscard]] bool is_bound(const ivshmem::device_info& device, const std::string& driver);

/// Adds what binds a device so; nothing where all is as wanted.
void add_binding(transaction& plan, const ivshmem::device_info& device, const binding& wanted,
                 const std::filesystem::path& root);

/// Adds what takes a device from its driver and undoes all that add_binding() ever did.
void add_unbinding(transaction& plan, const ivshmem::device_info& device,
                   const std::filesystem::path& root);

} // namespace ivshmemctl
