// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/name_bytes.hpp"
#include "channel/slot_impl.hpp"
#include "channel/slot_topics.hpp"
#include "channel/topic_area.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace ivshmem {

/// Looks for a topic by its name, again and again.
///
/// Prefers one that a living peer writes. Of topics that have ended it finds those that began after
/// the first look: their writer may have published a message for this side, and ended, before this
/// side ran.
class topic_search {
  public:
    struct result {
        found_topic topic;
        topic_place place;
        std::uint32_t incarnation = 0; ///< of the writer
        bool is_new = false;           ///< it was not there when the search began
    };

    topic_search() = default;
    topic_search(const name_bytes& name, std::uint32_t slots)
        : name_{name}, known_(slots, 0), early_(slots, 0) {}

    [[nodiscard]] std::optional<result> look(const slot::impl& in);
    /// Never finds what is left of a topic again, because it was read.
    void forget(const found_topic& topic) { known_.at(topic.slot) = topic.key; }

  private:
    [[nodiscard]] std::optional<result> details(const slot::impl& in,
                                                const found_topic& topic) const;

    name_bytes name_{};
    std::vector<std::uint32_t> known_; ///< the key of a topic that has ended, by slot; 0: none
    std::vector<std::uint32_t> early_; ///< the key of one that the first look saw, by slot
    bool looked_ = false;
};

} // namespace ivshmem
