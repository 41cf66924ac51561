// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <fmt/core.h>

#include <string>

namespace ivshmem {

/// fmt's formatting of any arguments. Compiled once: fmt's own functions, header-only in every
/// file, would take most of the time that the library takes to build.
std::string format_arguments(fmt::string_view format, fmt::format_args arguments);

/// fmt::format(), with the format checked when this is compiled.
template <typename... Args>
std::string formatted(fmt::format_string<Args...> format, Args&&... args) {
    return format_arguments(format, fmt::make_format_args(args...));
}

} // namespace ivshmem
