// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ivshmemctl {

/// Returns the kernel's lockdown mode, "none", "integrity" or "confidentiality"; nothing if the
/// kernel does not report one.
[[nodiscard]] std::optional<std::string> lockdown(const std::filesystem::path& root);

} // namespace ivshmemctl
