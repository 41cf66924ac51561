// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ivshmem {

/// Whether text is well-formed UTF-8 without control characters, so that it can be printed.
inline bool is_plain_utf8(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        const auto first = static_cast<unsigned char>(text[at++]);
        if (first < 0x80) {
            if (first < 0x20 || first == 0x7f)
                return false;
            continue;
        }
        const unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || text.size() - at < more)
            return false;
        std::uint32_t character = first & (0x3fU >> more);
        for (unsigned i = 0; i < more; ++i) {
            const auto next = static_cast<unsigned char>(text[at++]);
            if ((next & 0xc0U) != 0x80)
                return false;
            character = character << 6U | (next & 0x3fU);
        }
        const bool shorter = (more == 2 && character < 0x800) || (more == 3 && character < 0x10000);
        const bool surrogate = character >= 0xd800 && character < 0xe000;
        if (shorter || surrogate || character > 0x10ffff || character < 0xa0)
            return false;
    }
    return true;
}

} // namespace ivshmem
