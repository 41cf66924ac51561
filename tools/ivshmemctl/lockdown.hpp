// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ivshmemctl {

/// "none", "integrity" or "confidentiality", as the kernel says; nothing where it does not say.
[[nodiscard]] std::optional<std::string> lockdown(const std::filesystem::path& root);

} // namespace ivshmemctl
