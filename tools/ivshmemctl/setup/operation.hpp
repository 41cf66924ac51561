// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "setup/blocked_signals.hpp"

#include <ivshmem/pci_address.hpp>

#include <functional>
#include <string>
#include <vector>

namespace ivshmemctl {

/// One change of the system.
struct operation {
    std::string shell; ///< the shell command that makes it
    /// Makes the change. If it throws std::runtime_error, nothing has changed.
    std::function<void(blocked_signals&)> perform;
};

/// Writes a line to a file of the kernel.
operation write_line(const std::string& path, const std::string& line);
/// Runs a command.
operation command_line(const std::vector<std::string>& words);
/// Creates a file and its folders, or replaces the file atomically.
operation make_file(const std::string& path, const std::string& line);
operation remove_file(const std::string& path);
/// Waits for the node that a device's driver creates.
/// @param node The node as a word of a shell command, which may contain command substitutions.
operation wait_for_node(const ivshmem::pci_address& address, const std::string& node);

} // namespace ivshmemctl
