// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/machine_info.hpp>

#include <string>
#include <string_view>

namespace ivshmem {

/// Reads the facts about the machine. Never fails: a fact that cannot be read stays empty.
/// @param prefix The root without a slash at its end: "" for the running system.
[[nodiscard]] machine_info read_machine(const std::string& prefix);

/// Returns whether the running kernel has a module; "-" and "_" in names are equal.
[[nodiscard]] module_state find_module(const std::string& prefix, std::string_view name);

} // namespace ivshmem
