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

/// What run_command() returns where there is none.
constexpr int no_such_command = 127;

/// Runs a function in a child process, because it may block in the kernel for ever.
/// @return The child's status, 128 + N where a signal ended it; nothing where it had not ended
/// within the time.
std::optional<int> run_in_child(const std::function<int()>& body, std::chrono::seconds limit,
                                blocked_signals& stop);

/// Runs a command, found as a root's shell would find it; what it prints goes to the standard
/// error.
/// @return As run_in_child(); 127 where there is no such command.
std::optional<int> run_command(const std::vector<std::string>& words, std::chrono::seconds limit,
                               blocked_signals& stop);

} // namespace ivshmemctl
