// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <filesystem>
#include <optional>
#include <string>

#include <sys/types.h>

namespace ivshmem_server {

/// A background process. Its parent exits only when the process serves, so that the caller sees
/// every error and can connect at once.
class daemon {
  public:
    /// Forks.
    /// @return In the parent, the exit code, once the child serves or has failed; in the child,
    /// nothing.
    std::optional<int> enter(ivshmem::failure& f);

    /// Writes the pid file, which the destructor removes. Refuses an existing file that is not a
    /// regular file of this user.
    void write_pid_file(const std::string& path, ivshmem::failure& f);

    /// Lets the parent exit, and detaches from the terminal and the working directory.
    void ready();

    daemon() = default;
    daemon(const daemon&) = delete;
    daemon& operator=(const daemon&) = delete;
    ~daemon();

  private:
    ivshmem::unique_fd parent_;
    std::filesystem::path pid_file_;
    dev_t device_ = 0; ///< of the pid file, so that no other file is removed
    ino_t inode_ = 0;
};

} // namespace ivshmem_server
