// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string_view>

namespace ivshmemctl {

/// Writes a line of results to standard output and flushes it, because its reader may act on it.
/// @throws std::system_error if the line cannot be written, also because of EPIPE.
void put_line(std::string_view line);
/// As put_line(), with or without a newline after the text.
void put(std::string_view text, bool newline);

} // namespace ivshmemctl
