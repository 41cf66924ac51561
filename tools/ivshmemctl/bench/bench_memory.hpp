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

/// MiB a second.
struct bandwidth {
    double read = 0;
    std::optional<double> write{}; ///< empty where the memory was not to be changed
    std::optional<double> copy{};  ///< from one half of the memory to the other
};

/// Measures with the accesses that `read` and `write` use. Where it writes the caller keeps what
/// was there.
bandwidth measure_bandwidth(ivshmem::cache_mode mode, std::span<std::byte> memory, bool writes);

/// Bytes of shared memory that are put back at the end.
class saved_bytes {
  public:
    saved_bytes(ivshmem::cache_mode mode, std::span<std::byte> shared);
    saved_bytes(const saved_bytes&) = delete;
    saved_bytes& operator=(const saved_bytes&) = delete;
    ~saved_bytes();

    /// Leaves what is there now.
    void forget() noexcept { bytes_.clear(); }

  private:
    ivshmem::cache_mode mode_;
    std::span<std::byte> shared_;
    std::vector<std::byte> bytes_;
};

} // namespace ivshmemctl
