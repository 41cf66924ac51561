// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"

#include <ivshmem/discovery.hpp>

#include <string>
#include <vector>

namespace ivshmemctl {

/// Returns the named PCI devices, each once; without names, the device of -D.
/// @throws ivshmem::error errc::device_not_found, device_ambiguous, bad_selector (also for a
/// server).
[[nodiscard]] std::vector<ivshmem::device_info>
select_devices(const ivshmem::discovery& found, const std::vector<std::string>& names,
               const common_options& common);

} // namespace ivshmemctl
