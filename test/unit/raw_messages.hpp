// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/server_protocol.hpp"
#include "helpers/catch.hpp"

#include <array>
#include <cstring>
#include <vector>

#include <dirent.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/// Both ends of a server's connection, and functions that send any bytes over it.
namespace raw {

using ivshmem::unique_fd;

inline std::size_t open_descriptors() {
    DIR* const folder = ::opendir("/proc/self/fd");
    REQUIRE(folder != nullptr);
    std::size_t count = 0;
    while (const dirent* entry = ::readdir(folder))
        count += entry->d_name[0] != '.' ? 1 : 0;
    ::closedir(folder);
    return count - 1; // the folder's own
}

struct connection {
    connection() {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
        server.reset(ends[0]);
        client.reset(ends[1]);
    }
    unique_fd server;
    unique_fd client;
};

inline unique_fd eventfd(unsigned count = 0) {
    unique_fd fd{::eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK)};
    REQUIRE(fd);
    return fd;
}

using bytes = std::array<unsigned char, ivshmem::server_protocol::message_size>;

/// Returns the bytes of a message, independently of the code under test.
inline bytes encode(std::int64_t value) {
    bytes b{};
    auto rest = static_cast<std::uint64_t>(value);
    for (unsigned char& byte : b) {
        byte = static_cast<unsigned char>(rest % 256);
        rest /= 256;
    }
    return b;
}

/// Sends a piece of a message: any bytes with any number of descriptors.
inline void send_raw(int socket, const unsigned char* data, std::size_t size,
                     const std::vector<int>& fds = {}) {
    iovec piece{const_cast<unsigned char*>(data), size};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    std::vector<unsigned char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    if (!fds.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr* const part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        std::memcpy(CMSG_DATA(part), fds.data(), fds.size() * sizeof(int));
    }
    REQUIRE(::sendmsg(socket, &header, MSG_NOSIGNAL) == static_cast<ssize_t>(size));
}

/// Checks in its destructor that as many descriptors are open as in its constructor.
class no_leak {
  public:
    no_leak() = default;
    no_leak(const no_leak&) = delete;
    no_leak& operator=(const no_leak&) = delete;
    ~no_leak() { CHECK(open_descriptors() == before_); }

  private:
    std::size_t before_ = open_descriptors();
};

} // namespace raw
