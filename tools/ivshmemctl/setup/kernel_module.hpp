// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/machine_info.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace ivshmemctl {

using ivshmem::module_state;

/// Returns whether the running kernel has a module; "-" and "_" in names are equal.
[[nodiscard]] module_state find_module(const std::filesystem::path& root, std::string_view name);

/// Returns the release of the running kernel; empty if it cannot be read.
[[nodiscard]] std::string kernel_release(const std::filesystem::path& root);

/// Returns how to install a missing module.
[[nodiscard]] std::string how_to_get_module(std::string_view name,
                                            const ivshmem::machine_info& machine);

} // namespace ivshmemctl
