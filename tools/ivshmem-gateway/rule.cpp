// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "rule.hpp"

#include "names.hpp"

#include <algorithm>

namespace ivshmem_gateway {
namespace {

/// Returns the length of the pattern before its first wildcard.
std::size_t fixed_part(const rule& r) noexcept {
    return std::min(r.pattern.find_first_of(r.way == direction::out ? "*" : "+#"),
                    r.pattern.size());
}

bool has_wildcard(const rule& r) noexcept {
    return fixed_part(r) != r.pattern.size();
}

std::string_view without_end(std::string_view text) noexcept {
    text.remove_suffix(1);
    return text;
}

/// Checks what precedes a wildcard; it may be nothing, and its last level is not complete.
std::string_view fixed_fault(std::string_view fixed) noexcept {
    if (fixed.empty())
        return {};
    if (const auto fault = text_fault(fixed); !fault.empty())
        return fault;
    return levels_fault(fixed.ends_with('/') ? without_end(fixed) : fixed);
}

std::string pattern_fault(const rule& r) {
    if (r.way == direction::in)
        return std::string{filter_fault(r.pattern)};
    if (!has_wildcard(r))
        return std::string{topic_fault(r.pattern)};
    if (fixed_part(r) + 1 != r.pattern.size())
        return "* is the end of a name only";
    if (r.pattern.size() > longest_topic)
        return "it matches nothing: a name in a region has 59 bytes at most";
    return std::string{fixed_fault(without_end(r.pattern))};
}

bool matches_filter(std::string_view filter, std::string_view name) noexcept {
    while (true) {
        if (filter == "#")
            return true;
        const auto filter_end = filter.find('/');
        const auto name_end = name.find('/');
        const auto level = filter.substr(0, filter_end);
        if (level != "+" && level != name.substr(0, name_end))
            return false;
        if (filter_end == std::string_view::npos || name_end == std::string_view::npos)
            return filter_end == name_end;
        filter.remove_prefix(filter_end + 1);
        name.remove_prefix(name_end + 1);
    }
}

/// Returns what stands for the wildcards, with all that follows the first of them.
std::string_view varying_part(const rule& r, std::string_view name) noexcept {
    return name.substr(std::min(fixed_part(r), name.size()));
}

mapping mapped(const rule& r, std::string_view name) {
    mapping m{.by = &r};
    const bool out = r.way == direction::out;
    m.fault = out ? topic_fault(name) : mqtt_fault(name);
    if (!m.fault.empty())
        return m;
    std::string made = r.to;
    if (has_wildcard(r))
        made += varying_part(r, name);
    m.fault = out ? mqtt_fault(made) : topic_fault(made);
    if (m.fault.empty())
        m.name = std::move(made);
    return m;
}

template <typename Applies>
mapping map_first(const std::vector<rule>& rules, std::string_view name, const Applies& applies) {
    const auto found = std::find_if(rules.begin(), rules.end(),
                                    [&](const rule& r) { return applies(r) && matches(r, name); });
    return found == rules.end() ? mapping{} : mapped(*found, name);
}

} // namespace

std::string rule_fault(const rule& r) {
    const bool out = r.way == direction::out;
    if (const auto fault = pattern_fault(r); !fault.empty())
        return (out ? "out: " : "in: ") + fault;
    const bool is_prefix = r.to.ends_with('/');
    if (has_wildcard(r) && !is_prefix)
        return std::string{out ? "out ends with *" : "in has wildcards"} +
               ", so to must end with /: it is what all names begin with";
    if (!has_wildcard(r) && is_prefix)
        return std::string{"to ends with /, so "} +
               (out ? "out must end with *" : "in must have a wildcard");
    const auto name = is_prefix ? without_end(r.to) : std::string_view{r.to};
    auto fault = out ? mqtt_fault(name) : topic_fault(name);
    if (fault.empty() && !out && is_prefix && r.to.size() >= longest_topic)
        fault = "it leaves no room for a name: 59 bytes in a region";
    return fault.empty() ? std::string{} : "to: " + std::string{fault};
}

bool matches(const rule& r, std::string_view name) noexcept {
    if (r.way == direction::in)
        return matches_filter(r.pattern, name);
    if (!has_wildcard(r))
        return name == r.pattern;
    return name.size() >= r.pattern.size() && name.starts_with(without_end(r.pattern));
}

mapping map_out(const std::vector<rule>& rules, std::string_view name, std::uint32_t slot) {
    return map_first(rules, name, [&](const rule& r) {
        return r.way == direction::out &&
               (!r.allowed ||
                std::find(r.allowed->begin(), r.allowed->end(), slot) != r.allowed->end());
    });
}

mapping map_in(const std::vector<rule>& rules, std::string_view name) {
    return map_first(rules, name, [](const rule& r) { return r.way == direction::in; });
}

} // namespace ivshmem_gateway
