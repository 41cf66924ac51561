// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <string>

namespace ivshmem_gateway {

/// A UNIX socket that a library, which takes the path of a socket but no descriptor, connects to:
/// in a new folder that only this user may enter, and removed at the end.
class rendezvous {
  public:
    explicit rendezvous(ivshmem::failure& f);
    ~rendezvous();
    rendezvous(const rendezvous&) = delete;
    rendezvous& operator=(const rendezvous&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    /// The other end of a connection that was made. Never waits.
    ivshmem::unique_fd accept(ivshmem::failure& f) const;

  private:
    std::string folder_{};
    std::string path_{};
    ivshmem::unique_fd listening_{};
};

} // namespace ivshmem_gateway
