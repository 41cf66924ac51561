// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ivshmemctl {

/// The unit that a bar counts in.
struct progress_unit {
    std::string_view name;
    std::uint64_t size; ///< how much of the argument of update() makes one unit
    int digits;         ///< after the point
};
inline constexpr progress_unit mebibytes{"MiB", 1U << 20U, 1};
inline constexpr progress_unit rings{"rings", 1, 0};
inline constexpr progress_unit answers{"answers", 1, 0};

/// Shows a progress bar on standard error if that is a terminal, starting after one second.
class progress {
  public:
    /// @param total The amount of work in all; empty if it is unknown.
    /// @param prints Whether results go to standard output meanwhile. On a terminal they show the
    /// progress themselves, and there is no bar.
    progress(const common_options& common, std::string what, std::optional<std::uint64_t> total,
             bool prints, const progress_unit& unit = mebibytes);
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;
    /// Calls clear().
    ~progress();

    /// Shows the bar with this much work done, at most every 200 ms.
    void update(std::uint64_t done);
    /// Erases the bar, so that other text can be written.
    void clear();

  private:
    using clock = std::chrono::steady_clock;

    std::string what_;
    std::optional<std::uint64_t> total_;
    progress_unit unit_;
    bool enabled_;
    bool shown_ = false;
    clock::time_point start_ = clock::now();
    clock::time_point next_ = start_ + std::chrono::seconds{1};
};

} // namespace ivshmemctl
