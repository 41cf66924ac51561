// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "setup/blocked_signals.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ivshmemctl {

/// The status that run_command() returns if there is no such command.
constexpr int no_such_command = 127;

/// Runs a function in a child process, because it may block in the kernel indefinitely.
/// @return The child's exit status, or 128 + N if signal N ended it; nothing if it did not end
/// within the limit.
std::optional<int> run_in_child(const std::function<int()>& body, std::chrono::seconds limit,
                                blocked_signals& stop);

/// Runs a command, which is searched for in PATH and the sbin folders. Its output goes to standard
/// error.
/// @return As run_in_child(); no_such_command if there is none.
std::optional<int> run_command(const std::vector<std::string>& words, std::chrono::seconds limit,
                               blocked_signals& stop);

} // namespace ivshmemctl
