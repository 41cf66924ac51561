// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "subcommand.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace ivshmemctl {

/// Parses "4096", "0x1000" or "4K": decimal, or hexadecimal after 0x; the suffixes K, M and G are
/// binary. Returns nothing for any other text.
std::optional<std::uint64_t> parse_number(const std::string& text);

/// The text of --help about numbers.
constexpr const char* number_help =
    "\nNumbers are decimal, or hexadecimal after 0x, and may end with K, M or G.";

/// Adds an option, or an argument if its name has no dashes, that takes such a number.
void add_number(subcommand& sub, const option_text& text, std::optional<std::uint64_t>& value);

} // namespace ivshmemctl
