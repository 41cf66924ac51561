// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/text.hpp"

#include <string_view>
#include <utility>

/// Messages of a program that serves: to stderr in the foreground, to syslog as a daemon.
namespace service::log {

enum class level { error, info, detail };

/// Sets the name that begins each line, a literal. main() calls it first.
void name_program(const char* name);

/// Enables messages of the level `detail`.
void be_verbose();

/// Sends all later messages to syslog, because a daemon has no stderr.
void use_syslog();

void write(level how, std::string_view line);

/// Returns whether messages of this level are written.
bool enabled(level how);

template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
    write(level::error, ivshmem::formatted(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
    write(level::info, ivshmem::formatted(format, std::forward<Args>(args)...));
}
template <typename... Args>
void detail(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(level::detail))
        write(level::detail, ivshmem::formatted(format, std::forward<Args>(args)...));
}

} // namespace service::log
