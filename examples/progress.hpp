// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include <unistd.h>

/// A progress line on a terminal. Writes nothing if stderr is not a terminal.
class progress {
  public:
    explicit progress(std::uint64_t all) : all_{all} {}

    void add(std::uint64_t bytes) {
        done_ += bytes;
        if (shown_ && clock::now() - last_ > std::chrono::milliseconds{100})
            show();
    }
    /// Shows the final state, and ends the line.
    void end() {
        if (!shown_)
            return;
        show();
        std::fputc('\n', stderr);
    }

  private:
    using clock = std::chrono::steady_clock;

    void show() {
        constexpr double mib = 1024.0 * 1024.0;
        constexpr std::size_t width = 30;
        last_ = clock::now();
        const double share = all_ == 0 ? 1 : static_cast<double>(done_) / static_cast<double>(all_);
        const double seconds = std::chrono::duration<double>(last_ - begin_).count();
        const auto filled = std::min(width, static_cast<std::size_t>(share * width));
        const std::string bar = std::string(filled, '#') + std::string(width - filled, ' ');
        std::fprintf(stderr, "\r[%s] %3.0f%%  %llu of %llu bytes  %.1f MiB/s ", bar.c_str(),
                     share * 100, static_cast<unsigned long long>(done_),
                     static_cast<unsigned long long>(all_),
                     static_cast<double>(done_) / mib / std::max(seconds, 1e-6));
    }

    const std::uint64_t all_;
    const bool shown_ = ::isatty(STDERR_FILENO) == 1;
    const clock::time_point begin_ = clock::now();
    clock::time_point last_{};
    std::uint64_t done_ = 0;
};
