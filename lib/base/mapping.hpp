// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>

namespace ivshmem {

/// Returns whether a file ends before `length` bytes, so that an access to its mapping would raise
/// SIGBUS. Device nodes have no size and return false.
[[nodiscard]] inline bool is_shorter(int fd, std::size_t length) noexcept {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
           static_cast<std::size_t>(status.st_size) < length;
}

/// Owns a range of addresses from mmap().
class mapping {
  public:
    mapping() = default;
    /// Maps `length` bytes of `fd` from `offset`: MAP_SHARED, for reading and writing unless
    /// `protection` says otherwise. Empty on failure, with errno set.
    mapping(int fd, std::size_t length, off_t offset,
            int protection = PROT_READ | PROT_WRITE) noexcept {
        void* const address = ::mmap(nullptr, length, protection, MAP_SHARED, fd, offset);
        if (address != MAP_FAILED) // NOLINT: the macro is C's
            bytes_ = {static_cast<std::byte*>(address), length};
    }
    /// Takes ownership of a mapped range.
    explicit mapping(std::span<std::byte> bytes) noexcept : bytes_{bytes} {}
    mapping(mapping&& other) noexcept : bytes_{std::exchange(other.bytes_, {})} {}
    mapping& operator=(mapping&& other) noexcept {
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    mapping(const mapping&) = delete;
    mapping& operator=(const mapping&) = delete;
    ~mapping() {
        if (!bytes_.empty())
            ::munmap(bytes_.data(), bytes_.size());
    }

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
    explicit operator bool() const noexcept { return !bytes_.empty(); }

  private:
    std::span<std::byte> bytes_;
};

} // namespace ivshmem
