// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace bench {

[[noreturn]] inline void fail(const std::string& what) {
    throw std::system_error{errno, std::system_category(), what};
}

/// A message of the server, with its descriptor or -1.
struct load_message {
    std::int64_t value = 0;
    int fd = -1;
};

/// A bare client of ivshmem-server with one vector, which reads as much as its user wants.
class load_client {
  public:
    explicit load_client(const std::string& path) : socket_{connected(path)} {}
    load_client(load_client&& other) noexcept : socket_{std::exchange(other.socket_, -1)} {}
    load_client& operator=(load_client&&) = delete;
    load_client(const load_client&) = delete;
    load_client& operator=(const load_client&) = delete;
    ~load_client() {
        if (socket_ >= 0)
            ::close(socket_);
    }

    [[nodiscard]] int socket() const { return socket_; }

    /// Reads until its own vector has arrived, with which a join is complete.
    /// @param keep Called with each message; it owns the descriptor.
    template <typename Keep>
    void join(Keep&& keep) const {
        std::int64_t own = -1;
        for (int number = 0;; ++number) {
            load_message m;
            if (!receive(m, 0))
                throw std::runtime_error{"the server refuses a client"};
            if (number == 1)
                own = m.value;
            const bool last = number > 2 && m.value == own && m.fd >= 0;
            keep(m);
            if (last)
                return;
        }
    }
    void join() const { join(close_descriptor); }
    /// Reads what has arrived. @return false if the server has closed the connection.
    [[nodiscard]] bool drain() const {
        load_message m;
        errno = 0;
        while (receive(m, MSG_DONTWAIT))
            close_descriptor(m);
        return errno == EAGAIN;
    }
    static void close_descriptor(const load_message& m) {
        if (m.fd >= 0)
            ::close(m.fd);
    }

  private:
    static int connected(const std::string& path) {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::copy(path.begin(), path.end(), std::begin(address.sun_path));
        const void* const raw = &address;
        if (fd < 0 || ::connect(fd, static_cast<const sockaddr*>(raw), sizeof address) != 0)
            fail(path);
        return fd;
    }
    [[nodiscard]] bool receive(load_message& m, int flags) const {
        iovec piece{&m.value, sizeof m.value};
        alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(sizeof(int))> control{};
        msghdr header{};
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        m.fd = -1;
        if (::recvmsg(socket_, &header, MSG_CMSG_CLOEXEC | flags) != sizeof m.value)
            return false;
        if (const cmsghdr* const part = CMSG_FIRSTHDR(&header))
            std::memcpy(&m.fd, CMSG_DATA(part), sizeof m.fd);
        return true;
    }

    int socket_;
};

/// What a client that does harm takes from its join.
struct load_view {
    explicit load_view(const load_client& client) {
        client.join([&](const load_message& m) {
            if (m.value == -1 && m.fd >= 0)
                map(m.fd);
            else if (m.fd >= 0)
                bells[m.value] = m.fd;
        });
    }
    void map(int fd) {
        struct stat status {};
        if (::fstat(fd, &status) != 0)
            fail("fstat");
        void* const at = ::mmap(nullptr, static_cast<std::size_t>(status.st_size),
                                PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED)
            fail("mmap");
        memory = static_cast<unsigned char*>(at);
    }

    unsigned char* memory = nullptr;
    std::map<std::int64_t, int> bells; ///< by peer
};

} // namespace bench
