// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "setup/transaction.hpp"

#include <ivshmem/device_info.hpp>

#include <filesystem>
#include <span>
#include <string>

namespace ivshmemctl {

/// VFIO's no-IOMMU mode (Linux, Documentation/driver-api/vfio.rst), a parameter of its module.
enum class no_iommu_mode {
    unknown, ///< the module is not loaded, and the kernel's configuration cannot be read
    missing, ///< CONFIG_VFIO_NOIOMMU is not set
    off,
    on,
};

[[nodiscard]] no_iommu_mode find_no_iommu_mode(const std::filesystem::path& root);

/// Returns why a device cannot be bound without an IOMMU, with advice; empty if it can, as far as
/// can be known before the module is loaded.
[[nodiscard]] std::string why_not_without_iommu(const ivshmem::device_info& device,
                                                const std::filesystem::path& root);

/// Adds the operations that switch the mode on, and that record it for unbind; none if it is on.
void add_no_iommu(transaction& plan, const std::filesystem::path& root);

/// Adds the operations that switch the mode off again, if add_no_iommu() switched it on and no
/// device but these is bound without an IOMMU.
void add_no_iommu_end(transaction& plan, std::span<const ivshmem::device_info> released,
                      const std::filesystem::path& root);

/// Returns what it costs that a device is bound without an IOMMU, for the user.
[[nodiscard]] std::string cost_of_no_iommu(const ivshmem::device_info& device);

} // namespace ivshmemctl
