// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "../transport.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {

/// An ivshmem-server with a socket in a folder of its own; both end with this object, and the
/// server with this process in any case.
class server_process {
  public:
    explicit server_process(std::size_t bytes) {
        std::string folder = std::filesystem::temp_directory_path() / "bench-XXXXXX";
        if (::mkdtemp(folder.data()) == nullptr)
            must(-1, "mkdtemp");
        folder_ = folder;
        const std::string socket = folder_ / "socket";
        const std::string size = std::to_string(bytes);
        const ready_socket ready{folder_ / "ready"};
        process_ = must(::fork(), "fork");
        if (process_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGTERM);
            ::setenv("NOTIFY_SOCKET", ready.path().c_str(), 1);
            const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
            ::dup2(nowhere, STDERR_FILENO);
            ::execl(IVSHMEM_SERVER, "ivshmem-server", "-F", "-S", socket.c_str(), "-l",
                    size.c_str(), "-n", "1", nullptr);
            ::_exit(127);
        }
        ready.wait();
    }
    server_process(const server_process&) = delete;
    server_process& operator=(const server_process&) = delete;
    ~server_process() {
        ::kill(process_, SIGTERM);
        ::waitpid(process_, nullptr, 0);
        std::error_code ignored; // it is in the temporary folder
        std::filesystem::remove_all(folder_, ignored);
    }

    [[nodiscard]] std::string selector() const { return "server:" + (folder_ / "socket").string(); }

  private:
    /// Where a service reports that it listens.
    class ready_socket {
      public:
        explicit ready_socket(std::string path)
            : path_{std::move(path)}, fd_{must(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                                               "socket")} {
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            path_.copy(std::begin(address.sun_path), sizeof address.sun_path - 1);
            must(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
        }
        ready_socket(const ready_socket&) = delete;
        ready_socket& operator=(const ready_socket&) = delete;
        ~ready_socket() { ::close(fd_); }

        [[nodiscard]] const std::string& path() const { return path_; }
        void wait() const {
            pollfd readable{fd_, POLLIN, 0};
            if (::poll(&readable, 1, 10'000) != 1)
                throw std::runtime_error{IVSHMEM_SERVER ": it did not become ready"};
        }

      private:
        std::string path_;
        int fd_;
    };

    std::filesystem::path folder_;
    pid_t process_ = -1;
};

} // namespace bench
