// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/utf8.hpp"
#include "channel/layout.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace ivshmem {

/// The name of a service or topic as an entry stores it. Two names are the same if all of these
/// bytes are.
using name_bytes = std::array<std::byte, layout::longest_name + 1>;

/// Whether text can be the name of a service or topic: 1 to 59 bytes of UTF-8 without control
/// characters.
inline bool is_name(std::string_view text) noexcept {
    return !text.empty() && text.size() <= layout::longest_name && is_plain_utf8(text);
}

/// Checks a name. Fails with errc::bad_service_name.
inline name_bytes checked_name(std::string_view name, failure& f) {
    name_bytes bytes{};
    if (is_name(name))
        std::memcpy(bytes.data(), name.data(), name.size());
    else
        f.set(errc::bad_service_name, "\"{}\": {}", name.substr(0, layout::longest_name + 1),
              make_error_code(errc::bad_service_name).message());
    return bytes;
}

/// The name that an entry stores; empty if no name is stored like this.
inline std::string name_in(const name_bytes& bytes) {
    const auto end = std::find(bytes.begin(), bytes.end(), std::byte{0});
    const std::string_view text{reinterpret_cast<const char*>(bytes.data()),
                                static_cast<std::size_t>(end - bytes.begin())};
    const bool zeros = std::all_of(end, bytes.end(), [](std::byte b) { return b == std::byte{0}; });
    return zeros && is_name(text) ? std::string{text} : std::string{};
}

} // namespace ivshmem
