// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

namespace ivshmemctl {

/// The statistics of ping. Takes constant memory, however many round trips there are.
class ping_statistics {
  public:
    using duration = std::chrono::nanoseconds;

    void sent() noexcept { ++sent_; }
    void received(duration round_trip) noexcept;

    [[nodiscard]] bool empty() const noexcept { return sent_ == 0; }
    [[nodiscard]] std::uint64_t answers() const noexcept { return received_; }
    /// Returns the median, within two percent; 0 without an answer.
    [[nodiscard]] duration median() const noexcept;

    /// Returns "3 sent, 2 received, 33.3% lost" and, if there was an answer, a line with the times.
    [[nodiscard]] std::string text() const;
    [[nodiscard]] std::string json() const;

  private:
    /// The binary logarithm of the number of buckets between two powers of two.
    static constexpr unsigned parts_shift = 5;

    static std::size_t bucket_of(std::uint64_t nanoseconds) noexcept;
    static double middle_of(std::size_t bucket) noexcept;
    [[nodiscard]] double mean() const noexcept;
    [[nodiscard]] double deviation() const noexcept;
    [[nodiscard]] double lost_percent() const noexcept;

    std::uint64_t sent_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t min_ = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t max_ = 0;
    double sum_ = 0;
    double squares_ = 0;
    std::array<std::uint64_t, std::size_t{64} << parts_shift> buckets_{};
};

} // namespace ivshmemctl
