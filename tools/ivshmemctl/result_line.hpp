// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string_view>

namespace ivshmemctl {

/// Writes a line of results to the standard output, at once: who reads it acts on it.
/// @throws std::system_error where it cannot be written, a closed pipe included.
void put_line(std::string_view line);

} // namespace ivshmemctl
