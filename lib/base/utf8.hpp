// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ivshmem {

/// A character of UTF-8.
struct utf8_character {
    std::uint32_t code = 0;
    std::size_t bytes = 0; ///< that it takes; 0: they are not well-formed UTF-8
};

/// Reads the first character of a text: of any bytes, of which there is one at least.
inline utf8_character first_character(std::string_view text) noexcept {
    const auto first = static_cast<unsigned char>(text.front());
    if (first < 0x80)
        return {first, 1};
    const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < bytes)
        return {};
    std::uint32_t code = first & (0xffU >> (bytes + 1));
    for (std::size_t at = 1; at < bytes; ++at) {
        const auto next = static_cast<unsigned char>(text[at]);
        if ((next & 0xc0U) != 0x80)
            return {};
        code = code << 6U | (next & 0x3fU);
    }
    const bool shorter = (bytes == 3 && code < 0x800) || (bytes == 4 && code < 0x10000);
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    if (shorter || surrogate || code > 0x10ffff)
        return {};
    return {code, bytes};
}

/// Whether a character is one of the control characters of Unicode.
constexpr bool is_control(std::uint32_t code) noexcept {
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

/// Whether text is well-formed UTF-8 without control characters, so that it can be printed.
inline bool is_plain_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const auto [code, bytes] = first_character(text);
        if (bytes == 0 || is_control(code))
            return false;
        text.remove_prefix(bytes);
    }
    return true;
}

} // namespace ivshmem
