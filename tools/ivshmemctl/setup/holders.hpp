// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>

#include <string>
#include <vector>

namespace ivshmemctl {

/// The processes that have a node or a sysfs file of the device open, each as "NAME (pid N, FILE)".
/// Only processes that this one may look into are seen.
[[nodiscard]] std::vector<std::string> holders(const ivshmem::device_info& device);

/// "in use by ...", with what to do; empty where nobody is seen to hold the device.
[[nodiscard]] std::string why_in_use(const ivshmem::device_info& device);

} // namespace ivshmemctl
