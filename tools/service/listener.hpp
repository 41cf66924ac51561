// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <filesystem>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <sys/types.h>

namespace service {

/// A listening UNIX socket, whose file is removed at the end if this process made it.
class listener {
  public:
    /// Creates a socket at the path. Replaces the file of a server that died, but not that of a
    /// server that listens.
    /// @param type SOCK_STREAM or SOCK_SEQPACKET
    /// @param option The option that named the path, for messages.
    static listener open(const std::string& path, ivshmem::failure& f, int type = SOCK_STREAM,
                         std::string_view option = "--socket");
    /// Takes the socket that systemd passed.
    static listener adopt(ivshmem::unique_fd passed);

    listener(listener&& other) noexcept = default;
    listener& operator=(listener&& other) = delete;
    ~listener();

    [[nodiscard]] int release() { return fd_.release(); }
    [[nodiscard]] const std::string& name() const { return name_; } ///< for messages

  private:
    listener() = default;
    void listen_at(const std::string& path, int type, std::string_view option, ivshmem::failure& f);

    ivshmem::unique_fd fd_;
    std::string name_;
    std::filesystem::path remove_; ///< absolute; empty: nothing to remove
    dev_t device_ = 0;             ///< of the created file, so that no other file is removed
    ino_t inode_ = 0;
};

} // namespace service
