// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace connections {

/// A command that was started for a connection, as inetd starts one.
struct child {
    pid_t pid = -1;
    int socket = -1; ///< joined to its standard input and output; the caller closes it
};

/// Starts a command, which is searched for in PATH. Its standard input and output are a UNIX
/// socket, its environment has IVSHMEM_SERVICE and IVSHMEM_SLOT, that of the peer.
/// @throws std::system_error if it cannot be started.
child start_child(const std::vector<std::string>& command, const std::string& service,
                  std::uint32_t slot);

} // namespace connections
