// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "subcommand.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace ivshmemctl {

/// Adds an option that takes seconds, fractions included: 0 to a year.
void add_seconds(subcommand& sub, const option_text& text,
                 std::optional<std::chrono::nanoseconds>& value);

} // namespace ivshmemctl
