// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/topic_search.hpp"

#include <utility>

namespace ivshmem {

std::optional<topic_search::result> topic_search::look(const slot::impl& in) {
    const bool first = !std::exchange(looked_, true);
    std::optional<result> left;
    for (std::uint32_t slot = 0; slot < in.geometry().slots; ++slot) {
        const auto found = in.topics().find(in, slot, name_);
        if (found && first)
            early_.at(slot) = found->key;
        if (!found || (found->ended && (left || found->key == known_.at(slot))))
            continue;
        if (found->ended && first) {
            forget(*found);
            continue;
        }
        if (!found->ended && (!in.find_holder(slot) || in.is_lost(slot)))
            continue;
        auto details_of = details(in, *found);
        if (!details_of)
            continue;
        details_of->is_new = !first && found->key != early_.at(slot);
        if (!found->ended)
            return details_of;
        left = details_of;
    }
    return left;
}

/// Where the topic is, if that is possible and the topic still is the one that was found.
std::optional<topic_search::result> topic_search::details(const slot::impl& in,
                                                          const found_topic& topic) const {
    const std::uint32_t incarnation = in.incarnation_of(topic.slot);
    const auto place = in.topics().place_of(in, topic);
    shared_words::fence(); // the key is cleared before the rest is written again
    const auto again = in.topics().find(in, topic.slot, name_);
    if (!place || !again || again->key != topic.key)
        return std::nullopt;
    return result{topic, *place, incarnation};
}

} // namespace ivshmem
