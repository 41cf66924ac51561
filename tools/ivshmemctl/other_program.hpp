// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace ivshmemctl {

/// Returns the path of a program that is installed beside this one; else its name, for PATH.
[[nodiscard]] std::string other_program(const std::string& name);

/// Replaces this process by a program, as execvp() does.
/// @return The errno, if it cannot be started.
int exec(const std::vector<std::string>& words);

/// A command that has ended.
struct command_result {
    int status = 0;
    std::string output; ///< of both streams, up to 64 KiB
};

/// Runs a command and reads its output. Nothing if it cannot be started, or takes longer: then it
/// is killed.
[[nodiscard]] std::optional<command_result> read_command(const std::vector<std::string>& words,
                                                         std::chrono::milliseconds limit);

} // namespace ivshmemctl
