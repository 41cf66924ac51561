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

/// What a bar counts.
struct progress_unit {
    std::string_view name;
    std::uint64_t size; ///< how much of what at() is told makes one
    int digits;         ///< after the point
};
inline constexpr progress_unit mebibytes{"MiB", 1U << 20U, 1};
inline constexpr progress_unit rings{"rings", 1, 0};
inline constexpr progress_unit answers{"answers", 1, 0};

/// A bar on the standard error, if that is a terminal, from the second on after which a user asks
/// himself whether anything happens.
class progress {
  public:
    /// @param total What will be done in all; empty where nobody knows.
    /// @param prints Whether results go to the standard output in the meantime: on a terminal
    /// they show how far it is.
    progress(const common_options& common, std::string what, std::optional<std::uint64_t> total,
             bool prints, const progress_unit& unit = mebibytes);
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;
    /// As clear().
    ~progress();

    void at(std::uint64_t done);
    /// Takes the bar from the terminal, before something else is written there.
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
