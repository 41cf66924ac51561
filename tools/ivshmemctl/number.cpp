// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "number.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

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

CLI::Option* add_number(CLI::App& app, const std::string& name, std::optional<std::uint64_t>& value,
                        const std::string& help) {
    const auto set = [&value, name](const std::string& text) {
        value = parse_number(text);
        if (!value)
            throw CLI::ValidationError{fmt::format(
                "{}: '{}' is no number; take a decimal one, or a hexadecimal one after 0x, with "
                "K, M or G behind it or not",
                name, text)};
    };
    auto* option = app.add_option_function<std::string>(name, set, help);
    // An argument has its name already.
    return name.starts_with('-') ? option->type_name("N") : option->type_name("");
}

} // namespace ivshmemctl
