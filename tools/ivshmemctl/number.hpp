// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "subcommand.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace ivshmemctl {

/// "4096", "0x1000", "4K": decimal, or hexadecimal after 0x; K, M or G behind it are binary.
/// Nothing for anything else.
std::optional<std::uint64_t> parse_number(const std::string& text);

/// What --help says of them.
constexpr const char* number_help =
    "\nNumbers are decimal, or hexadecimal after 0x, and may end with K, M or G.";

/// Adds an option or, named without dashes, an argument that is such a number.
void add_number(subcommand& sub, const option_text& text, std::optional<std::uint64_t>& value);

} // namespace ivshmemctl
