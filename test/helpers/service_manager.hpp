// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
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

    service_manager(const service_manager&) = delete;
    service_manager& operator=(const service_manager&) = delete;
    ~service_manager() {
        over_ = true;
        reader_.join();
    }

    /// Returns the function that prepares the environment and the descriptors of the service, in
    /// its process before exec(). Nothing may be stored in between.
    [[nodiscard]] std::function<void()> preparation() {
        const std::lock_guard lock{mutex_};
        ready_ = false;
        std::vector<int> fds{socket_.get()};
        std::string names = "programs";
        for (const auto& [name, fd] : stored_) {
            fds.push_back(fd.get());
            names += ":" + name;
        }
        return [fds, names, path = notify_path_]() mutable {
            for (int& fd : fds) // above the numbers that they get, so that none is overwritten
                fd = ::fcntl(fd, F_DUPFD, 500);
            for (std::size_t i = 0; i < fds.size(); ++i)
                ::dup2(fds[i], static_cast<int>(i) + 3);
            for (const int fd : fds)
                ::close(fd);
            ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
            ::setenv("LISTEN_FDS", std::to_string(fds.size()).c_str(), 1);
            ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
            ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        };
    }

    /// Waits until the service is ready. Throws if that takes long.
    void wait_ready() const {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{60};
        while (!ready_) {
            if (std::chrono::steady_clock::now() > end)
                throw std::runtime_error{"the service is not ready"};
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        }
    }

    /// Waits until all that the service has sent is handled, and returns how much is stored.
    std::size_t settle() {
        pollfd pending{notify_.get(), POLLIN, 0};
        while (::poll(&pending, 1, 0) == 1)
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        const std::lock_guard lock{mutex_};
        return stored_.size();
    }

    /// Closes what is stored by this name, as after an error.
    void lose(const std::string& name) {
        const std::lock_guard lock{mutex_};
        std::erase_if(stored_, [&](const auto& one) { return one.first == name; });
    }

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

    /// Reads always, as systemd does: the kernel queues few datagrams, and a sender waits.
    void read() {
        while (!over_) {
            pollfd ready{notify_.get(), POLLIN, 0};
            if (::poll(&ready, 1, 20) == 1)
                handle_one();
        }
    }

    void handle_one() {
        const std::lock_guard lock{mutex_};
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
            return;
        const std::string state{text.data(), static_cast<std::size_t>(got)};
        constexpr std::string_view name_is = "FDNAME=";
        const auto at = state.find(name_is);
        const std::string name = at == std::string::npos ? "" : state.substr(at + name_is.size());
        if (state.starts_with("FDSTORE=1")) {
            int fd = -1;
            if (const cmsghdr* const part = CMSG_FIRSTHDR(&header); part != nullptr)
                std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
            stored_.emplace_back(name, fd);
        } else if (state.starts_with("FDSTOREREMOVE=1")) {
            std::erase_if(stored_, [&](const auto& one) { return one.first == name; });
        } else if (state.starts_with("READY=1")) {
            ready_ = true;
        }
    }

    std::string notify_path_;
    ivshmem::unique_fd notify_;
    ivshmem::unique_fd socket_;
    std::mutex mutex_;
    std::vector<std::pair<std::string, ivshmem::unique_fd>> stored_;
    std::atomic<bool> ready_ = false;
    std::atomic<bool> over_ = false;
    std::thread reader_{[this] {
        read();
    }}; ///< the last member
};

} // namespace test
