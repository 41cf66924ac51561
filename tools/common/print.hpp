// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <fmt/core.h>

#include <cstdio>
#include <string>

namespace tools {

/// Formats any arguments with fmt. Compiled once: fmt's own header-only functions in every file
/// would take two thirds of the tools' build time.
std::string format_arguments(fmt::string_view format, fmt::format_args arguments);
void write(std::FILE* to, const std::string& text);

/// As fmt::format(), with the format checked at compile time.
template <typename... Args>
std::string format(fmt::format_string<Args...> format, Args&&... args) {
    return format_arguments(format, fmt::make_format_args(args...));
}

/// As fmt::print(). A failure to write sets the stream's error indicator.
template <typename... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
    write(stdout, format_arguments(format, fmt::make_format_args(args...)));
}
template <typename... Args>
void print_error(fmt::format_string<Args...> format, Args&&... args) {
    write(stderr, format_arguments(format, fmt::make_format_args(args...)));
}

} // namespace tools
