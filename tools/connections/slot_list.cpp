// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/slot_list.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace connections {

std::optional<std::uint32_t> parse_slot(std::string_view text) {
    constexpr std::uint32_t last_slot = 255; // channel-layout.md
    std::uint32_t slot = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, failed] = std::from_chars(text.data(), end, slot);
    if (failed != std::errc{} || rest != end || slot > last_slot)
        return std::nullopt;
    return slot;
}

std::optional<std::vector<std::uint32_t>> parse_slots(const std::string& list) {
    std::vector<std::uint32_t> slots;
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        const auto slot = parse_slot(std::string_view{list}.substr(begin, end - begin));
        if (!slot)
            return std::nullopt;
        slots.push_back(*slot);
        begin = end + 1;
    }
    return slots;
}

} // namespace connections
