// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>

#include <sys/types.h>

namespace service {

/// The process that connected to a UNIX socket (SO_PEERCRED).
struct peer_process {
    std::string name = "unknown process"; ///< "pid 1 uid 2", for messages
    uid_t uid = static_cast<uid_t>(-1);
    pid_t pid = 0;

    static peer_process of(int socket);
};

} // namespace service
