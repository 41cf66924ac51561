// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "channel/layout.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace ivshmem {

/// The name of a service or topic as an entry stores it. Two names are the same if all of these
/// bytes are.
using name_bytes = std::array<std::byte, layout::longest_name + 1>;

/// Checks a name. Fails with errc::bad_service_name.
inline name_bytes checked_name(std::string_view name, failure& f) {
    name_bytes bytes{};
    if (!name.empty() && name.size() <= layout::longest_name &&
        std::none_of(name.begin(), name.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
        std::memcpy(bytes.data(), name.data(), name.size());
    else
        f.set(errc::bad_service_name, "\"{}\": {}", name.substr(0, layout::longest_name + 1),
              make_error_code(errc::bad_service_name).message());
    return bytes;
}

} // namespace ivshmem
