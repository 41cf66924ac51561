// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>

#include <string>
#include <vector>

namespace ivshmemctl {

/// Returns the processes that have a node or a sysfs file of the device open, each as "NAME (pid N,
/// FILE)". Finds only processes that this one may inspect.
[[nodiscard]] std::vector<std::string> holders(const ivshmem::device_info& device);

/// Returns "in use by ...", with advice; empty if no holder is found.
[[nodiscard]] std::string why_in_use(const ivshmem::device_info& device);

} // namespace ivshmemctl
