// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>

namespace tools {

/// Returns whether to color standard output.
/// @param when "always", "auto" (depends on the terminal and NO_COLOR) or "never".
bool wants_color(const std::string& when);

} // namespace tools
