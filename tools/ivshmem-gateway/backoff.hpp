// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace ivshmem_gateway {

/// The time between two tries: it doubles up to a limit, and is random between half of that and
/// all of it, so that many programs do not come back at once.
class backoff {
  public:
    using milliseconds = std::chrono::milliseconds;

    explicit backoff(milliseconds longest, milliseconds first = milliseconds{200})
        : first_{std::min(first, longest)}, longest_{longest}, next_{first_} {}

    /// A try succeeded.
    void reset() noexcept { next_ = first_; }
    [[nodiscard]] milliseconds next() {
        const auto most = next_;
        next_ = std::min(next_ * 2, longest_);
        return milliseconds{std::uniform_int_distribution<milliseconds::rep>{
            most.count() / 2, most.count()}(random_)};
    }

  private:
    milliseconds first_;
    milliseconds longest_;
    milliseconds next_;
    std::minstd_rand random_{std::random_device{}()};
};

} // namespace ivshmem_gateway
