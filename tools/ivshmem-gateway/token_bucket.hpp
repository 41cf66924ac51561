// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace ivshmem_gateway {

/// A rate with bursts of one second: a token bucket, kept as the time when it would be full again.
///
/// An amount that is larger than the bucket passes when it is full, and the bucket then owes it. So
/// the rate holds over time, and no size is refused for ever.
class token_bucket {
  public:
    using clock = std::chrono::steady_clock;

    /// @param rate Tokens a second. 0: no limit.
    explicit token_bucket(std::uint64_t rate) noexcept : rate_{rate} {}

    [[nodiscard]] bool has(std::uint64_t tokens, clock::time_point now) const noexcept {
        return has_at(tokens, now) <= now;
    }
    /// When it has the tokens, if nobody takes any until then: now, or later.
    [[nodiscard]] clock::time_point has_at(std::uint64_t tokens,
                                           clock::time_point now) const noexcept {
        return rate_ == 0 ? now
                          : std::max(now, full_at_ + time_for(std::min(tokens, rate_)) - burst);
    }
    void take(std::uint64_t tokens, clock::time_point now) noexcept {
        if (rate_ != 0)
            full_at_ = std::max(full_at_, now) + time_for(tokens);
    }

  private:
    static constexpr std::chrono::seconds burst{1};
    /// An amount owes no more than this, so that times do not overflow.
    static constexpr std::chrono::hours most{24};

    [[nodiscard]] clock::duration time_for(std::uint64_t tokens) const noexcept {
        const double seconds = static_cast<double>(tokens) / static_cast<double>(rate_);
        const auto exact = std::chrono::duration<double>{seconds};
        return exact < most ? std::chrono::ceil<clock::duration>(exact) : clock::duration{most};
    }

    std::uint64_t rate_;
    clock::time_point full_at_{};
};

} // namespace ivshmem_gateway
