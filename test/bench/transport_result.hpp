// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "transport.hpp"

#include <array>
#include <string>
#include <variant>
#include <vector>

namespace bench {

struct throughput_result {
    std::uint64_t messages;
    double seconds;
};

class roundtrip_result {
  public:
    /// From the times of all round trips, in nanoseconds.
    explicit roundtrip_result(std::vector<std::uint32_t> times);

    std::size_t count;
    std::uint32_t min, median, p99, p999;
};

/// The reason why there is no figure.
struct skipped_result {
    std::string why;
};

using result = std::variant<throughput_result, roundtrip_result, skipped_result>;

/// One line of JSON.
void print(std::string_view transport, const request& asked, const std::array<int, 2>& processors,
           const result& got);

} // namespace bench
