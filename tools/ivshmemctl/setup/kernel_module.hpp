// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace ivshmemctl {

enum class module_state {
    unknown, ///< the lists of modules cannot be read
    missing,
    installed, ///< modprobe can load it
    present,   ///< loaded, or built in
};

/// Returns whether the running kernel has a module; "-" and "_" in names are equal.
[[nodiscard]] module_state find_module(const std::filesystem::path& root, std::string_view name);

/// Returns the release of the running kernel; empty if it cannot be read.
[[nodiscard]] std::string kernel_release(const std::filesystem::path& root);

/// Returns the command that installs a missing module.
[[nodiscard]] std::string how_to_get_module(std::string_view name);

} // namespace ivshmemctl
