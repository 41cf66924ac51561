// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "service/size_option.hpp"

#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace service {

namespace {

constexpr std::uint64_t largest = std::uint64_t{1} << 62;
constexpr const char* too_large = "no memory is larger than 4 EiB";
constexpr const char* no_size =
    "a size is a number of bytes, such as 1572864, 1.5M or 0x180000; suffixes B, K, M, G, T, P, E";

/// Removes the number at the begin of the text.
std::errc take_number(std::string_view& text, int base, std::uint64_t& number) {
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number, base);
    text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
    return parsed.ec;
}

/// Removes ".25" from the begin of the text, and returns 0.25.
long double take_fraction(std::string_view& text) {
    long double value = 0;
    long double digit = 1;
    text.remove_prefix(1);
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
        digit /= 10;
        value += digit * static_cast<long double>(text.front() - '0');
        text.remove_prefix(1);
    }
    return value;
}

std::string result(std::string& text, std::uint64_t bytes) {
    if (bytes > largest)
        return too_large;
    if (bytes == 0)
        return "the shared memory cannot have 0 bytes";
    text = std::to_string(bytes);
    return {};
}

} // namespace

std::string convert_size(std::string& text) {
    std::string_view rest = text;
    if (!rest.empty() && rest.front() == '-')
        return "a size cannot be negative";
    std::uint64_t number = 0;
    if (rest.starts_with("0x") || rest.starts_with("0X")) {
        rest.remove_prefix(2);
        const std::errc wrong = take_number(rest, 16, number);
        if (wrong == std::errc::result_out_of_range)
            return too_large;
        if (wrong != std::errc{})
            return no_size;
        return rest.empty() ? result(text, number) : "a hexadecimal size takes no suffix";
    }
    const std::errc wrong = take_number(rest, 10, number);
    if (wrong == std::errc::result_out_of_range)
        return too_large;
    if (wrong != std::errc{})
        return no_size;
    const bool has_fraction = !rest.empty() && rest.front() == '.';
    const long double fraction = has_fraction ? take_fraction(rest) : 0;
    constexpr std::string_view suffixes = "BKMGTPEbkmgtpe";
    const auto suffix = rest.empty() ? 0 : suffixes.find(rest.front());
    if (suffix == std::string_view::npos || rest.size() > 1)
        return no_size;
    const auto shift = 10 * (suffix % (suffixes.size() / 2));
    if (has_fraction && shift == 0)
        return "a number of bytes has no fraction; use a suffix, as in 1.5M";
    if (number > (largest >> shift))
        return too_large;
    const auto unit = static_cast<long double>(std::uint64_t{1} << shift);
    return result(text, (number << shift) + static_cast<std::uint64_t>(fraction * unit));
}

} // namespace service
