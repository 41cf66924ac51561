// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

namespace test {

/// The part of systemd that a service of one packet socket sees: the socket, notifications and the
/// descriptor store.
class service_manager {
  public:
    /// @param socket, notify Paths for the service's socket and for its notifications.
    service_manager(const std::string& socket, std::string notify)
        : notify_path_{std::move(notify)}, notify_{bound(notify_path_, SOCK_DGRAM)},
          socket_{bound(socket, SOCK_SEQPACKET)} {
        if (::listen(socket_.get(), 10) != 0)
            throw std::runtime_error{"listen"};
    }

    /// Prepares the environment and the descriptors of the service, in its process before exec().
    void prepare() const {
        std::vector<int> fds{socket_.get()};
        std::string names = "ivshmem-share.socket";
        for (const auto& [name, fd] : stored) {
            fds.push_back(fd.get());
            names += ":" + name;
        }
        for (int& fd : fds) // above the numbers that they get, so that none is overwritten
            fd = ::fcntl(fd, F_DUPFD, 500);
        for (std::size_t i = 0; i < fds.size(); ++i)
            ::dup2(fds[i], static_cast<int>(i) + 3);
        for (const int fd : fds)
            ::close(fd);
        ::setenv("NOTIFY_SOCKET", notify_path_.c_str(), 1);
        ::setenv("LISTEN_FDS", std::to_string(fds.size()).c_str(), 1);
        ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    }

    /// Handles what the service sends until it is ready. Throws if it does not get ready in time.
    void wait_ready() {
        while (true) {
            const std::string state = next(30'000);
            if (state.empty())
                throw std::runtime_error{"the service is not ready"};
            if (state.starts_with("READY=1"))
                return;
        }
    }

    /// Handles all that the service has sent.
    void settle() {
        while (!next(0).empty())
            continue;
    }

    std::vector<std::pair<std::string, ivshmem::unique_fd>> stored;

  private:
    static ivshmem::unique_fd bound(const std::string& path, int type) {
        ivshmem::unique_fd fd{::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)};
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path.size() >= sizeof address.sun_path)
            throw std::runtime_error{path + ": too long"};
        std::copy(path.begin(), path.end(), std::begin(address.sun_path));
        if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error{path + ": bind"};
        return fd;
    }

    /// Handles the next state; empty if none comes in time.
    std::string next(int patience) {
        pollfd ready{notify_.get(), POLLIN, 0};
        if (::poll(&ready, 1, patience) != 1)
            return {};
        std::array<char, 512> text{};
        alignas(cmsghdr) std::array<unsigned char, CMSG_SPACE(sizeof(int))> control{};
        iovec piece{text.data(), text.size()};
        msghdr header{};
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        const ssize_t got = ::recvmsg(notify_.get(), &header, MSG_CMSG_CLOEXEC);
        if (got <= 0)
            throw std::runtime_error{"recvmsg"};
        std::string state{text.data(), static_cast<std::size_t>(got)};
        constexpr std::string_view name_is = "FDNAME=";
        const auto at = state.find(name_is);
        const std::string name = at == std::string::npos ? "" : state.substr(at + name_is.size());
        if (state.starts_with("FDSTORE=1")) {
            const cmsghdr* const part = CMSG_FIRSTHDR(&header);
            if (part == nullptr)
                throw std::runtime_error{"no descriptor to store"};
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
            stored.emplace_back(name, fd);
        } else if (state.starts_with("FDSTOREREMOVE=1")) {
            std::erase_if(stored, [&](const auto& one) { return one.first == name; });
        }
        return state;
    }

    std::string notify_path_;
    ivshmem::unique_fd notify_;
    ivshmem::unique_fd socket_;
};

} // namespace test
