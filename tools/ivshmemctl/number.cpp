// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "number.hpp"

#include "common/print.hpp"

#include <charconv>
#include <limits>

namespace ivshmemctl {

std::optional<std::uint64_t> parse_number(const std::string& text) {
    const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    const char* const first = text.data() + (hexadecimal ? 2 : 0);
    const char* const end = text.data() + text.size();
    std::uint64_t number = 0;
    const auto [rest, error] = std::from_chars(first, end, number, hexadecimal ? 16 : 10);
    if (error != std::errc{} || end - rest > 1)
        return std::nullopt;
    if (rest == end)
        return number;
    const auto unit = std::string_view{"KMG"}.find(*rest);
    if (unit == std::string_view::npos)
        return std::nullopt;
    const auto shift = 10 * (unit + 1);
    if (number > std::numeric_limits<std::uint64_t>::max() >> shift)
        return std::nullopt;
    return number << shift;
}

void add_number(subcommand& sub, const option_text& text, std::optional<std::uint64_t>& value) {
    sub.add_option(text, [&value, name = text.names](const std::string& given) {
        value = parse_number(given);
        if (!value)
            throw usage_error{tools::format("{}: '{}' is not a number; use decimal, or hexadecimal "
                                            "after 0x, optionally followed by K, M or G",
                                            name, given)};
    });
}

} // namespace ivshmemctl
