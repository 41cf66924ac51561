// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>

namespace tools {

/// Whether the standard output is to be coloured.
/// @param when "always", "auto" (as the terminal and NO_COLOR say) or "never".
bool wants_color(const std::string& when);

} // namespace tools
