// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <string_view>

namespace ivshmem_gateway {

/// @name The longest names, in bytes
/// @{
inline constexpr std::size_t longest_topic = 59; ///< of a region: channel-layout.md
inline constexpr std::size_t longest_mqtt = 65535;
/// @}

/// Checks text that both sides accept: UTF-8 in its shortest form, without surrogates, control
/// characters (also those of Unicode) and noncharacters, which brokers refuse.
/// @return What is wrong, to follow a name in a message; empty if nothing is.
[[nodiscard]] std::string_view text_fault(std::string_view text) noexcept;

/// Checks the levels of a name, or of a part of it that begins with one: none of them is empty, "."
/// or "..", and there is none of `$`, `+`, `#` and `*`, which have a meaning to a broker or to the
/// rules.
/// @return As text_fault().
[[nodiscard]] std::string_view levels_fault(std::string_view part) noexcept;

/// Checks a whole name of a topic in a region. @return As text_fault().
[[nodiscard]] std::string_view topic_fault(std::string_view name) noexcept;
/// Checks a whole name of a topic at a broker. @return As text_fault().
[[nodiscard]] std::string_view mqtt_fault(std::string_view name) noexcept;

/// Checks an MQTT filter: a name whose levels may be `+`, and the last one `#`. @return As
/// text_fault().
[[nodiscard]] std::string_view filter_fault(std::string_view filter) noexcept;

} // namespace ivshmem_gateway
