// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ivshmemctl {

/// The content of a regular file without the newlines at its end; nothing where it cannot be read.
[[nodiscard]] std::optional<std::string> read_text(const std::filesystem::path& path);

/// The last part of where a link leads; empty where there is none.
[[nodiscard]] std::string link_name(const std::filesystem::path& path);

/// Text as one word of a shell's command line.
[[nodiscard]] std::string shell_word(const std::string& text);

} // namespace ivshmemctl
