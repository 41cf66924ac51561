// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "../transport.hpp"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
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
        process_ = must(::fork(), "fork");
        if (process_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGTERM);
            const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
            ::dup2(nowhere, STDERR_FILENO);
            ::execl(IVSHMEM_SERVER, "ivshmem-server", "-F", "-S", socket.c_str(), "-l",
                    size.c_str(), "-n", "1", nullptr);
            ::_exit(127);
        }
        for (int i = 0; i < 500 && !std::filesystem::exists(socket); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
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
    std::filesystem::path folder_;
    pid_t process_ = -1;
};

} // namespace bench
