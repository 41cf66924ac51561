// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "service/peer_process.hpp"

#include "base/text.hpp"

#include <sys/socket.h>

namespace service {

peer_process peer_process::of(int socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return {};
    return {.name = ivshmem::formatted("pid {} uid {}", credentials.pid, credentials.uid),

            .uid = credentials.uid,
            .pid = credentials.pid};
}

} // namespace service
