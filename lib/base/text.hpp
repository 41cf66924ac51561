// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <fmt/core.h>

#include <string>

namespace ivshmem {

/// Formats any arguments with fmt. Compiled once: fmt's own header-only functions in every file
/// would take most of the library's build time.
std::string format_arguments(fmt::string_view format, fmt::format_args arguments);

/// As fmt::format(), with the format checked at compile time.
template <typename... Args>
std::string formatted(fmt::format_string<Args...> format, Args&&... args) {
    return format_arguments(format, fmt::make_format_args(args...));
}

} // namespace ivshmem
