// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/mapping.hpp"
#include "base/unique_fd.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace ivshmem_device {

/// The memory that the VMs of a link share.
class shared_memory {
  public:
    /// Creates sealed memory, all zero, and maps it.
    static shared_memory create(std::uint64_t size, ivshmem::failure& f);
    /// Takes the memory of an ivshmem server. It is never mapped here: unless it is sealed, any
    /// process that has it could shrink it.
    static shared_memory adopt(ivshmem::unique_fd fd, std::uint64_t size);

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] std::uint64_t size() const { return size_; } ///< bytes

    /// Reads bytes as a guest's load does: those beyond the end are 0, and an aligned load of 1, 2,
    /// 4 or 8 bytes is one access.
    void read(std::uint64_t offset, std::span<std::byte> to) const;
    /// Writes bytes as a guest's store does: those beyond the end are dropped.
    void write(std::uint64_t offset, std::span<const std::byte> from) const;

  private:
    ivshmem::unique_fd fd_;
    ivshmem::mapping mapping_;
    std::uint64_t size_ = 0;
};

} // namespace ivshmem_device
