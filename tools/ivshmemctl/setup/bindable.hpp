// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "setup/binding.hpp"

#include <ivshmem/device_info.hpp>
#include <ivshmem/diagnosis.hpp>

#include <filesystem>
#include <span>
#include <string>

namespace ivshmemctl {

/// vfio-pci where there is an IOMMU group, igb_uio where its module is there; empty where neither.
[[nodiscard]] std::string default_driver(const ivshmem::device_info& device,
                                         const std::filesystem::path& root);

/// What to do where there is no default driver.
[[nodiscard]] std::string how_to_get_driver();

/// What the library would say of the device if root had bound it to this driver, and the devices in
/// `too` with it.
[[nodiscard]] ivshmem::diagnosis diagnose_bound(ivshmem::device_info device,
                                                const std::string& driver,
                                                std::span<const ivshmem::device_info> too = {});

/// Why a device cannot be bound so, with what to do; empty where it can.
[[nodiscard]] std::string why_not_bindable(const ivshmem::device_info& device,
                                           const binding& wanted,
                                           std::span<const ivshmem::device_info> too,
                                           const std::filesystem::path& root);

} // namespace ivshmemctl
