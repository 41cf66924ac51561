// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/socket_connection.hpp"

#include "discovery/permission.hpp"

#include <cerrno>
#include <cstring>
#include <thread>

#include <sys/socket.h>
#include <sys/un.h>

namespace ivshmem {

unique_fd connect_to_socket(std::string_view scheme, const std::string& path, int type,
                            std::chrono::steady_clock::time_point until, int& refused, failure& f) {
    refused = 0;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) {
        f.set(errc::bad_selector, "{}:{}: a socket's path has 1 to {} bytes", scheme, path,
              sizeof address.sun_path - 1);
        return {};
    }
    std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
    unique_fd fd{::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd) {
        f.set_errno(errno, "{}: socket", path);
        return {};
    }
    void* const raw = &address;
    while (retry_eintr([&] {
               return ::connect(fd.get(), static_cast<sockaddr*>(raw), sizeof address);
           }) != 0) {
        const int number = errno;
        if (number == EAGAIN && std::chrono::steady_clock::now() < until) { // a full backlog
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
            continue;
        }
        if (number == EAGAIN || number == ENOENT || number == ECONNREFUSED || number == EPROTOTYPE)
            refused = number;
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
