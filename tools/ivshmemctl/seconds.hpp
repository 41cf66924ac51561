// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace ivshmemctl {

/// Adds an option that takes seconds, fractions included: 0 to a year.
CLI::Option* add_seconds(CLI::App& app, const std::string& name,
                         std::optional<std::chrono::nanoseconds>& value, const std::string& help);

} // namespace ivshmemctl
