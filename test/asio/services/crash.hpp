// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/region_geometry.hpp>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

/// The constants that both sides of messages_crash share.
namespace test::crash {

/// Small rings, so that many messages need parts, and wait for room.
inline constexpr ivshmem::region_geometry geometry{2, 1, 1024};

/// The beginning of each message.
struct head {
    std::uint32_t incarnation = 0; ///< of the side that is killed
    std::uint32_t number = 0;      ///< from 0 in each session
};

/// Every third message is sent in parts.
inline bool in_parts(std::uint32_t number) {
    return number % 3 == 2;
}

inline std::string message(const head& h) {
    std::string text(in_parts(h.number) ? 600 + h.number % 7 * 500 : 8 + h.number % 11 * 40, 'm');
    std::memcpy(text.data(), &h, sizeof h);
    return text;
}

inline head head_of(std::string_view text) {
    head h;
    std::memcpy(&h, text.data(), sizeof h);
    return h;
}

} // namespace test::crash
