// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/server_connection.hpp"

#include "backends/socket_connection.hpp"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>

namespace ivshmem {

using clock = std::chrono::steady_clock;

unique_fd connect_to_server(const std::string& path, clock::time_point deadline, failure& f) {
    int refused = 0;
    unique_fd fd = connect_to_socket("server", path, SOCK_STREAM, deadline, refused, f);
    if (refused == EAGAIN)
        f.set(errc::timed_out, "{}: the ivshmem server accepts no connections", path);
    else if (refused == EPROTOTYPE)
        f.set_errno(refused, "{}: connect", path);
    else if (refused != 0)
        f.set(errc::server_unreachable,
              "{}: no ivshmem server listens there ({}); start one: "
              "ivshmem-server -F -S {}",
              path, std::strerror(refused), path);
    return fd;
}

} // namespace ivshmem
