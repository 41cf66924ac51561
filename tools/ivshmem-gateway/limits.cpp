// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "limits.hpp"

#include <algorithm>

namespace ivshmem_gateway {

std::string_view words_for(refusal why) noexcept {
    switch (why) {
    case refusal::topics:
        return "topics over the limit";
    case refusal::retained:
        return "retained messages over the limit";
    case refusal::messages:
        return "messages over the rate, which wait";
    case refusal::bytes:
        return "messages over the rate of bytes, which wait";
    case refusal::name:
        return "names that cannot be mapped";
    case refusal::size:
        return "messages that are too long";
    case refusal::queue:
        return "messages for which the queue had no room";
    }
    return "";
}

bool limits::take_topic(std::uint32_t slot) {
    if (!has_topic(slot)) {
        count(slot, refusal::topics);
        return false;
    }
    ++of(slot).topics;
    return true;
}

bool limits::has_topic(std::uint32_t slot) const {
    const auto at = slots_.find(slot);
    return each_.topics == 0 || at == slots_.end() || at->second.topics < each_.topics;
}

void limits::release_topic(std::uint32_t slot) {
    if (use& u = of(slot); u.topics > 0)
        --u.topics;
}

bool limits::take_retained(std::uint32_t slot, std::string_view mqtt_name) {
    auto& names = of(slot).retained;
    if (each_.retained == 0 || names.contains(mqtt_name))
        return true;
    if (names.size() >= each_.retained) {
        count(slot, refusal::retained);
        return false;
    }
    names.emplace(mqtt_name);
    return true;
}

bool limits::take_message(std::uint32_t slot, std::size_t bytes, clock::time_point now) {
    use& u = of(slot);
    // Both are asked first: a message that one refuses takes nothing of the other.
    if (!u.messages.has(1, now)) {
        count(slot, refusal::messages);
        return false;
    }
    if (!u.bytes.has(bytes, now)) {
        count(slot, refusal::bytes);
        return false;
    }
    u.messages.take(1, now);
    u.bytes.take(bytes, now);
    return true;
}

limits::clock::time_point limits::passes_at(std::uint32_t slot, std::size_t bytes,
                                            clock::time_point now) {
    const use& u = of(slot);
    return std::max(u.messages.has_at(1, now), u.bytes.has_at(bytes, now));
}

void limits::count(std::uint32_t slot, refusal why, std::uint64_t times) {
    of(slot).refused.at(static_cast<std::size_t>(why)) += times;
}

std::uint64_t limits::refused(std::uint32_t slot, refusal why) const {
    const auto at = slots_.find(slot);
    return at == slots_.end() ? 0 : at->second.refused.at(static_cast<std::size_t>(why));
}

void limits::report_new(const std::function<void(std::uint32_t, refusal, std::uint64_t)>& report) {
    for (auto& [slot, u] : slots_) {
        for (std::size_t i = 0; i < refusals; ++i) {
            if (const auto grown = u.refused[i] - u.reported[i]; grown != 0)
                report(slot, static_cast<refusal>(i), grown);
        }
        u.reported = u.refused;
    }
}

} // namespace ivshmem_gateway
