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

/// Returns the library's diagnosis as if root had bound the device to this driver, and the devices
/// in `bound_too` with it.
[[nodiscard]] ivshmem::diagnosis
diagnose_bound(ivshmem::device_info device, const std::string& driver,
               std::span<const ivshmem::device_info> bound_too = {});

/// Returns why a device cannot be bound as wanted, with advice; empty if it can.
[[nodiscard]] std::string why_not_bindable(const ivshmem::device_info& device,
                                           const binding& wanted,
                                           std::span<const ivshmem::device_info> bound_too,
                                           const std::filesystem::path& root);

} // namespace ivshmemctl
