// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "progress.hpp"

#include "common/print.hpp"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

namespace ivshmemctl {
namespace {

constexpr int columns = 79; // one less than the narrowest common terminal, so that no line wraps
constexpr std::uint64_t bar_width = 30;

} // namespace

progress::progress(const common_options& common, std::string what,
                   std::optional<std::uint64_t> total, bool prints, const progress_unit& unit)
    : what_{std::move(what)}, total_{total}, unit_{unit},
      enabled_{!common.quiet && ::isatty(STDERR_FILENO) == 1 &&
               !(prints && ::isatty(STDOUT_FILENO) == 1)} {}

progress::~progress() {
    clear();
}

void progress::update(std::uint64_t done) {
    if (!enabled_)
        return;
    const auto now = clock::now();
    if (now < next_)
        return;
    next_ = now + std::chrono::milliseconds{200};
    const double units = static_cast<double>(done) / static_cast<double>(unit_.size);
    const double seconds = std::chrono::duration<double>(now - start_).count();
    std::string bar;
    if (total_ && *total_ != 0) {
        const double share =
            std::min(1.0, static_cast<double>(done) / static_cast<double>(*total_));
        const auto filled = static_cast<std::uint64_t>(share * bar_width);
        bar = tools::format(" [{:<{}}] {:3.0f}%", std::string(filled, '#'), bar_width, share * 100);
    }
    const auto line = tools::format("{0}{1} {2:.{3}f} {4}, {5:.{3}f} {4}/s", what_, bar, units,
                                    unit_.digits, unit_.name, units / seconds);
    tools::print_error("\r{:<{}.{}}", line, columns, columns);
    std::fflush(stderr);
    shown_ = true;
}

void progress::clear() {
    if (!shown_)
        return;
    tools::print_error("\r{:{}}\r", "", columns);
    std::fflush(stderr);
    shown_ = false;
}

} // namespace ivshmemctl
