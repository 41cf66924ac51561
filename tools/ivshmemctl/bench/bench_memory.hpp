// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "memory/memory_part.hpp"

#include <ivshmem/cache_mode.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace ivshmemctl {

/// Figures in MiB per second.
struct bandwidth {
    double read = 0;
    std::optional<double> write{}; ///< empty if the memory must not be changed
    std::optional<double> copy{};  ///< from one half of the memory to the other
};

/// Measures with the same accesses as the subcommands `read` and `write`.
/// @param writes Whether to overwrite the memory; the caller saves its content.
bandwidth measure_bandwidth(ivshmem::cache_mode mode, std::span<std::byte> memory, bool writes);

/// Saves bytes of shared memory, which the destructor restores.
class saved_bytes {
  public:
    saved_bytes(ivshmem::cache_mode mode, std::span<std::byte> shared);
    saved_bytes(const saved_bytes&) = delete;
    saved_bytes& operator=(const saved_bytes&) = delete;
    ~saved_bytes();

    /// Keeps the current content: the destructor restores nothing.
    void discard() noexcept { bytes_.clear(); }

  private:
    ivshmem::cache_mode mode_;
    std::span<std::byte> shared_;
    std::vector<std::byte> bytes_;
};

} // namespace ivshmemctl
