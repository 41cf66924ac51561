// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ivshmemctl {

/// Returns the content of a regular file without trailing newlines; nothing if it cannot be read.
[[nodiscard]] std::optional<std::string> read_text(const std::filesystem::path& path);

/// Returns whether there is a file of this absolute path below the root.
[[nodiscard]] bool exists(const std::filesystem::path& root, const std::string& path);

/// Returns the last component of a symbolic link's target; empty if there is no such link.
[[nodiscard]] std::string link_name(const std::filesystem::path& path);

/// Returns the text as one word of a shell command, quoted if necessary.
[[nodiscard]] std::string shell_word(const std::string& text);

} // namespace ivshmemctl
