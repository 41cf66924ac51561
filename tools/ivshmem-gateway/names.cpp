// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "names.hpp"

#include "base/utf8.hpp"

#include <cstdint>

namespace ivshmem_gateway {
namespace {

constexpr std::string_view not_utf8 = "it is not valid UTF-8";
constexpr std::string_view too_long = "it is too long: 59 bytes in a region, 65535 in MQTT";

bool is_noncharacter(std::uint32_t code) noexcept {
    return (code & 0xfffeU) == 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
}

/// Calls check(level) for each level, until it returns a fault.
template <typename Check>
std::string_view first_fault(std::string_view name, const Check& check) {
    while (true) {
        const auto end = name.find('/');
        const bool is_last = end == std::string_view::npos;
        if (const std::string_view fault = check(name.substr(0, end), is_last); !fault.empty())
            return fault;
        if (is_last)
            return {};
        name.remove_prefix(end + 1);
    }
}

std::string_view level_fault(std::string_view level) noexcept {
    if (level.empty())
        return "a level between the / is empty";
    if (level == "." || level == "..")
        return "a level is . or ..";
    if (level.find_first_of("$+#*") != std::string_view::npos)
        return "it has one of $ + # *";
    return {};
}

std::string_view whole_fault(std::string_view name, std::size_t longest) noexcept {
    if (name.size() > longest)
        return too_long;
    if (const auto fault = text_fault(name); !fault.empty())
        return fault;
    return levels_fault(name);
}

} // namespace

std::string_view text_fault(std::string_view text) noexcept {
    while (!text.empty()) {
        const auto [code, bytes] = ivshmem::first_character(text);
        if (bytes == 0)
            return not_utf8;
        if (ivshmem::is_control(code))
            return "it has a control character";
        if (is_noncharacter(code))
            return "it has a code that is no character";
        text.remove_prefix(bytes);
    }
    return {};
}

std::string_view levels_fault(std::string_view part) noexcept {
    return first_fault(part, [](std::string_view level, bool) { return level_fault(level); });
}

std::string_view topic_fault(std::string_view name) noexcept {
    return whole_fault(name, longest_topic);
}

std::string_view mqtt_fault(std::string_view name) noexcept {
    return whole_fault(name, longest_mqtt);
}

std::string_view filter_fault(std::string_view filter) noexcept {
    if (filter.size() > longest_mqtt)
        return too_long;
    if (const auto fault = text_fault(filter); !fault.empty())
        return fault;
    return first_fault(filter, [](std::string_view level, bool is_last) -> std::string_view {
        if (level == "+" || (level == "#" && is_last))
            return {};
        if (level == "#")
            return "# is the last level of a filter only";
        return level_fault(level);
    });
}

} // namespace ivshmem_gateway
