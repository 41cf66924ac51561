// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ivshmem_gateway {

/// Which way a rule lets messages pass.
enum class direction {
    out, ///< from a region to a broker
    in,  ///< from a broker to a region
};

/// Lets topics pass between a region and a broker, by their names.
///
/// - out: `pattern` is the name of a topic in the region, `to` that at the broker. If the pattern
///   ends with `*`, `to` ends with `/`, and the part for which `*` stands follows it: "sensors/*"
///   to "plant/" maps "sensors/a/b" to "plant/a/b".
/// - in: `pattern` is an MQTT filter, `to` the name of the topic that is made in the region. If the
///   filter has wildcards, `to` ends with `/`, and the levels from the first wildcard on follow it:
///   "plant/+/speed" to "speeds/" maps "plant/a/speed" to "speeds/a/speed".
struct rule {
    std::string where; ///< where it is set, for messages: "--out", or a file and a line
    direction way = direction::out;
    std::string pattern;
    std::string to{};
    int qos = 1; ///< 0 to 2
    /// out: messages are retained by the broker. in: those that the broker retained are taken when
    /// the gateway subscribes.
    bool retain = false;

    /// @name out
    /// @{
    std::optional<std::vector<std::uint32_t>> allowed{}; ///< slots of writers; empty: all
    /// @}

    /// @name in
    /// @{
    std::uint64_t size = std::uint64_t{64} << 10U; ///< bytes for messages of each topic made
    std::uint32_t messages = 64;                   ///< how many of them at once
    std::uint32_t topics = 16;                     ///< the most that it makes at once
    /// @}
};

/// The name of a topic on the other side.
struct mapping {
    std::string name{};       ///< empty if it is refused, or no rule matches
    std::string_view fault{}; ///< why it is refused, to follow the name in a message
    const rule* by = nullptr; ///< the rule that applies; none: no rule matches
    explicit operator bool() const noexcept { return !name.empty(); }
};

/// Checks `pattern` and `to` of a rule.
/// @return The fault, with the side that has it; empty if there is none.
[[nodiscard]] std::string rule_fault(const rule& r);

/// Returns whether the rule is about this name on the side that messages come from. The name may be
/// anything. Unlike at a broker, "a/#" does not match "a", which has no name under `to`.
[[nodiscard]] bool matches(const rule& r, std::string_view name) noexcept;

/// @name Mapping
/// Map a name, of which nothing is known, by the first rule that matches. A mapped name is valid on
/// the other side, and is `to` of the rule or begins with it.
/// @{

/// @param slot That of the topic's writer. A rule that does not allow it does not match.
[[nodiscard]] mapping map_out(const std::vector<rule>& rules, std::string_view name,
                              std::uint32_t slot);
[[nodiscard]] mapping map_in(const std::vector<rule>& rules, std::string_view name);
/// @}

} // namespace ivshmem_gateway
