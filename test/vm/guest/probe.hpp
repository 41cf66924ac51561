// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device.hpp>

#include <cstdint>
#include <cstdio>
#include <string>
#include <system_error>
#include <vector>

namespace probe {

using words = std::vector<std::string>;

/// Prints a line and flushes it.
template <typename... Args>
void say(const char* format, Args... args) {
    if constexpr (sizeof...(args) == 0)
        std::fputs(format, stdout);
    else
        std::printf(format, args...);
    std::putchar('\n');
    std::fflush(stdout);
}

/// Returns the argument at an index, or a default number.
std::uint32_t number(const words& args, std::size_t at, std::uint32_t otherwise);

/// Prints "WHAT: ok", or "WHAT: CATEGORY NUMBER".
void report(const char* what, const std::error_code& ec);

void wait(ivshmem::device& dev, const words& args);
void events(ivshmem::device& dev, const words& args);

void fork(ivshmem::device& dev, const words& args);
void signals(ivshmem::device& dev, const words& args);
void descriptors(ivshmem::device& dev, const words& args);
void pair(ivshmem::device& dev, const words& args);

} // namespace probe
