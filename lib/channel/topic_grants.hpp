// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/layout.hpp"
#include "channel/shared_words.hpp"
#include "channel/slot_topics.hpp"
#include "channel/topic_cells.hpp"

#include <ivshmem/slot.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ivshmem {

/// The grants of a topic of this slot: which readers may pin its messages (T14 of
/// channel-layout.md). A reader that ends, or is lost, loses its grant, and with it all its pins.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
class topic_grants {
  public:
    explicit topic_grants(const slot_topics::own_topic& of) : topic_{of} {}

    /// Takes back the grants of readers that are lost or ask no more, and gives those that are left
    /// to readers that ask. @param newest The number of the last message.
    void update(const slot::impl& in, std::uint64_t newest);
    /// Reads the pins of the readers that have a grant, each word once.
    /// @return Valid until the next call.
    [[nodiscard]] std::span<const topic_pin_seen> pins(const slot::impl& in);

    /// Whether a reader has a pin for a topic, whether that holds a message or not.
    /// @param row Of that reader, for the slot of the writer. @param key Of the topic.
    /// @param newest The number of its last message.
    [[nodiscard]] static bool asks(const shared_words& row, std::uint32_t key,
                                   std::uint64_t newest);

  private:
    struct grant {
        std::uint32_t word = 0; ///< as the entry shows it; 0: none
        std::uint32_t slot = 0;
        std::uint32_t incarnation = 0;
    };

    [[nodiscard]] bool asks(const slot::impl& in, std::uint32_t slot, std::uint64_t newest) const;
    [[nodiscard]] bool has_grant(std::uint32_t slot) const noexcept;
    void give(const slot::impl& in, std::size_t index, const slot_holder& to);

    slot_topics::own_topic topic_;
    std::array<grant, layout::topics::most_grants> grants_{};
    std::array<topic_pin_seen, layout::topics::most_grants * layout::topics::pins_per_row> seen_{};
    std::uint32_t given_ = 0; ///< how often: a reader notices that it lost its grant meanwhile
};

} // namespace ivshmem
