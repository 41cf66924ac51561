// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "helpers/catch.hpp"
#include "helpers/server_process.hpp"

#include <ivshmem/device.hpp>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace host {

/// An ivshmem-share in the foreground that has reported READY=1.
class running_share {
  public:
    explicit running_share(const std::string& device, const std::vector<std::string>& options = {})
        : socket_{folder / "share"} {
        start(device, options);
    }
    /// At a socket of the caller's.
    running_share(const std::string& device, std::string socket,
                  const std::vector<std::string>& options)
        : socket_{std::move(socket)} {
        start(device, options);
    }

    [[nodiscard]] const std::string& socket() const { return socket_; }
    [[nodiscard]] process& program() { return *program_; }
    [[nodiscard]] std::size_t open_descriptors() const {
        const std::filesystem::directory_iterator fds{"/proc/" + std::to_string(program_->pid()) +
                                                      "/fd"};
        return static_cast<std::size_t>(std::distance(begin(fds), end(fds)));
    }
    [[nodiscard]] ivshmem::device open(ivshmem::open_options options = {}) const {
        options.timeout = deadline;
        return ivshmem::device::open("share:" + socket_, options);
    }

    const temporary_folder folder;

  private:
    void start(const std::string& device, const std::vector<std::string>& options) {
        const std::string notify = folder / "notify";
        const notify_socket manager{notify};
        std::vector<std::string> command{IVSHMEM_SHARE, device, "-S", socket_};
        command.insert(command.end(), options.begin(), options.end());
        program_.emplace(command, folder / "log",
                         [&] { ::setenv("NOTIFY_SOCKET", notify.c_str(), 1); });
        std::string ready = manager.next();
        while (ready.starts_with("FDSTORE")) // restart.cpp tests what is stored
            ready = manager.next();
        INFO(program_->output());
        REQUIRE(ready == "READY=1\nMAINPID=" + std::to_string(program_->pid()));
    }

    std::string socket_;
    std::optional<process> program_;
};

} // namespace host
