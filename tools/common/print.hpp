// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <fmt/core.h>

#include <cstdio>
#include <string>

namespace tools {

/// fmt's formatting of any arguments. Compiled once: fmt's own functions, header-only in every
/// file, would take two thirds of the time that the tools take to build.
std::string format_arguments(fmt::string_view format, fmt::format_args arguments);
void write(std::FILE* to, const std::string& text);

/// fmt::format(), with the format checked when this is compiled.
template <typename... Args>
std::string format(fmt::format_string<Args...> format, Args&&... args) {
    return format_arguments(format, fmt::make_format_args(args...));
}

/// fmt::print(). What cannot be written shows in the stream's error indicator.
template <typename... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
    write(stdout, format_arguments(format, fmt::make_format_args(args...)));
}
template <typename... Args>
void print_error(fmt::format_string<Args...> format, Args&&... args) {
    write(stderr, format_arguments(format, fmt::make_format_args(args...)));
}

} // namespace tools
