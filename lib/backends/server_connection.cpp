// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/server_connection.hpp"

#include "discovery/permission.hpp"

#include <cstring>
#include <thread>

#include <sys/socket.h>
#include <sys/un.h>

namespace ivshmem {

using clock = std::chrono::steady_clock;

unique_fd connect_to_server(const std::string& path, clock::time_point deadline, failure& f) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        f.set(errc::bad_selector, "server:{}: a socket's path has 1 to {} bytes", path,
              sizeof address.sun_path - 1);
        return {};
    }
    std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
    unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd) {
        f.set_errno(errno, "{}: socket", path);
        return {};
    }
    void* const raw = &address;
    while (retry_eintr([&] {
               return ::connect(fd.get(), static_cast<sockaddr*>(raw), sizeof address);
           }) != 0) {
        const int number = errno;
        if (number == EAGAIN && clock::now() < deadline) { // the server's backlog is full
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
            continue;
        }
        if (number == EAGAIN)
            f.set(errc::timed_out, "{}: the ivshmem server accepts no connections", path);
        else if (number == ENOENT || number == ECONNREFUSED)
            f.set(errc::server_unreachable,
                  "{}: no ivshmem server listens there ({}); start one: "
                  "ivshmem-server -F -S {}",
                  path, std::strerror(number), path);
        else if (number == EACCES || number == EPERM)
            f.set(errc::permission_denied, "{}: permission denied: {}", path,
                  permission_remedy(path));
        else
            f.set_errno(number, "{}: connect", path);
        return {};
    }
    return fd;
}

} // namespace ivshmem
