// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "service/systemd.hpp"

#include "base/text.hpp"
#include "service/log.hpp"

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace service::systemd {

namespace {

std::optional<int> number(const char* name) {
    const char* const text = std::getenv(name);
    if (text == nullptr)
        return std::nullopt;
    int value = 0;
    const auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
    if (error != std::errc{} || *end != '\0')
        return std::nullopt;
    return value;
}

int socket_option(int fd, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

} // namespace

std::vector<ivshmem::unique_fd> passed_sockets(int most, ivshmem::failure& f, int type) {
    constexpr int first = 3;
    const auto count = number("LISTEN_FDS");
    if (number("LISTEN_PID") != ::getpid() || !count || *count <= 0)
        return {};
    if (*count > most) {
        f.set(std::make_error_code(std::errc::invalid_argument),
              ivshmem::formatted(
                  "LISTEN_FDS: {} sockets were passed; the socket unit must name at most {}",
                  *count, most));
        return {};
    }
    std::vector<ivshmem::unique_fd> sockets;
    for (int fd = first; fd < first + *count; ++fd) {
        if (socket_option(fd, SO_DOMAIN) != AF_UNIX || socket_option(fd, SO_TYPE) != type ||
            socket_option(fd, SO_ACCEPTCONN) != 1) {
            f.set(std::make_error_code(std::errc::invalid_argument),
                  ivshmem::formatted(
                      "LISTEN_FDS: descriptor {} is not a listening UNIX {} socket; the socket "
                      "unit must have {}=/a/path and Accept=no",
                      fd, type == SOCK_STREAM ? "stream" : "packet",
                      type == SOCK_STREAM ? "ListenStream" : "ListenSequentialPacket"));
            return {};
        }
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        sockets.emplace_back(fd);
    }
    return sockets;
}

void notify(std::string_view state) {
    const char* const path = std::getenv("NOTIFY_SOCKET");
    if (path == nullptr)
        return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t length = std::strlen(path);
    if (length < 2 || length >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) {
        log::error("NOTIFY_SOCKET: \"{}\" is neither a path nor an abstract name", path);
        return;
    }
    std::memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    const ivshmem::unique_fd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
    const ssize_t sent = ivshmem::retry_eintr([&] {
        return ::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
                        reinterpret_cast<const sockaddr*>(&address), size);
    });
    if (sent < 0)
        log::error("NOTIFY_SOCKET: cannot notify {}: {}", path, std::strerror(errno));
}

} // namespace service::systemd
