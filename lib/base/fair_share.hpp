// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace ivshmem {

/// Divides memory between takers so that none takes all: each may hold as much as is free. One
/// taker alone holds at most half of it, n takers hold n of n + 1 parts, and there is always some
/// left for the next.
///
/// @par Thread Safety
/// Safe.
class fair_share {
  public:
    /// @param limit In bytes, for all takers together.
    fair_share(std::size_t takers, std::uint64_t limit) : held_(takers), limit_{limit} {}

    /// @return Whether the taker has that many bytes more; false if it would hold more than is
    /// free.
    [[nodiscard]] bool take(std::size_t taker, std::uint64_t size) {
        const std::lock_guard lock{mutex_};
        const std::uint64_t free = limit_ - total_;
        if (size > free || held_[taker] + size > free - size)
            return false;
        held_[taker] += size;
        total_ += size;
        return true;
    }
    void give_back(std::size_t taker, std::uint64_t size) noexcept {
        const std::lock_guard lock{mutex_};
        held_[taker] -= size;
        total_ -= size;
    }

  private:
    std::mutex mutex_;
    std::vector<std::uint64_t> held_;
    const std::uint64_t limit_;
    std::uint64_t total_ = 0;
};

} // namespace ivshmem
