// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace ivshmem_server {

/// A process that went to the background. Its parent waits until it serves, so that whoever
/// started it sees every error and may connect at once.
class daemon {
  public:
    /// Forks.
    /// @return In the parent, the exit code, once the child serves or has failed.
    std::optional<int> enter(ivshmem::failure& f);

    /// Writes the pid file, which the destructor removes.
    void write_pid_file(const std::string& path, ivshmem::failure& f);

    /// Lets the parent go and leaves terminal and folder.
    void ready();

    daemon() = default;
    daemon(const daemon&) = delete;
    daemon& operator=(const daemon&) = delete;
    ~daemon();

  private:
    ivshmem::unique_fd parent_;
    std::filesystem::path pid_file_;
};

} // namespace ivshmem_server
