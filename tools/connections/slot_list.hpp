// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace connections {

/// Returns the number of a slot, 0 to 255; nothing if the text is none.
[[nodiscard]] std::optional<std::uint32_t> parse_slot(std::string_view text);
/// Returns the slots of a list such as "1,2"; nothing if it is none.
[[nodiscard]] std::optional<std::vector<std::uint32_t>> parse_slots(const std::string& list);
/// Follows a text that is no list of slots, in a message.
inline constexpr std::string_view is_no_slot_list =
    " is no list of slots; use numbers from 0 to 255, as in 1,2";

} // namespace connections
