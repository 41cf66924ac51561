// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <cstdint>
#include <string_view>

namespace ivshmem {

/// The state of a topic_reader, as of its last call.
enum class topic_state : std::uint8_t {
    closed,    ///< not open
    searching, ///< no peer writes a topic of that name yet
    attached,  ///< messages flow
    ended,     ///< the writer ended the topic, or its slot has another holder
    poisoned,  ///< the writer broke the rules of the layout
    lost,      ///< the writer ended without closing the topic, or does not run any more
};

/// Returns "closed", "searching", "attached", "ended", "poisoned" or "lost". Thread safe.
[[nodiscard]] IVSHMEM_API std::string_view to_string(topic_state s) noexcept;

} // namespace ivshmem
