// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "service/systemd.hpp"

#include "base/text.hpp"
#include "service/log.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
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

/// Sends a state to the service manager, with a descriptor unless it is -1.
void send_state(std::string_view state, int descriptor) {
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
    std::string text{state};
    iovec piece{text.data(), text.size()};
    alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
    header.msg_name = &address;
    header.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    if (descriptor >= 0) {
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr* const part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof descriptor);
        std::memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
    }
    if (ivshmem::retry_eintr([&] { return ::sendmsg(fd.get(), &header, MSG_NOSIGNAL); }) < 0)
        log::error("NOTIFY_SOCKET: cannot notify {}: {}", path, std::strerror(errno));
}

} // namespace

std::vector<ivshmem::unique_fd> passed_sockets(int most, ivshmem::failure& f) {
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
        if (!is_listening(fd, SOCK_STREAM)) {
            f.set(std::make_error_code(std::errc::invalid_argument),
                  ivshmem::formatted(
                      "LISTEN_FDS: descriptor {} is not a listening UNIX stream socket; the socket "
                      "unit must have ListenStream=/a/path and Accept=no",
                      fd));
            return {};
        }
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        sockets.emplace_back(fd);
    }
    return sockets;
}

std::vector<passed_descriptor> passed_descriptors() {
    constexpr int first = 3;
    const auto count = number("LISTEN_FDS");
    if (number("LISTEN_PID") != ::getpid() || !count || *count <= 0)
        return {};
    const char* const names = std::getenv("LISTEN_FDNAMES");
    std::string_view rest = names == nullptr ? "" : names;
    std::vector<passed_descriptor> all;
    for (int fd = first; fd < first + *count; ++fd) {
        const std::size_t colon = std::min(rest.find(':'), rest.size());
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        all.push_back({std::string{rest.substr(0, colon)}, ivshmem::unique_fd{fd}});
        rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
    return all;
}

bool is_listening(int fd, int type) {
    return socket_option(fd, SO_DOMAIN) == AF_UNIX && socket_option(fd, SO_TYPE) == type &&
           socket_option(fd, SO_ACCEPTCONN) == 1;
}

void notify(std::string_view state) {
    send_state(state, -1);
}

bool has_manager() {
    return std::getenv("NOTIFY_SOCKET") != nullptr;
}

void store(const std::string& name, int fd) {
    send_state("FDSTORE=1\nFDNAME=" + name, fd);
}

void forget(const std::string& name) {
    send_state("FDSTOREREMOVE=1\nFDNAME=" + name, -1);
}

} // namespace service::systemd
