// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "channel/layout.hpp"
#include "channel/name_bytes.hpp"
#include "channel/shared_words.hpp"
#include "channel/topic_area.hpp"

#include <ivshmem/topic_info.hpp>
#include <ivshmem/topic_writer.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace ivshmem {

/// A topic in the section of a slot, as its entry says.
struct found_topic {
    std::uint32_t slot = 0;
    std::uint32_t number = 0; ///< of the entry
    std::uint32_t key = 0;
    bool ended = false;
    bool relayed = false;
};

/// The topics of a slot and the words with which it asks the writers of others to ring ("Topics" of
/// channel-layout.md). A part of the slot.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
class slot_topics {
  public:
    /// The entry of a topic of this slot.
    struct own_topic {
        std::uint32_t number = 0;
        std::uint32_t key = 0;
        topic_place place;
        std::uint64_t longest = 0; ///< message, in bytes; with pins, the size of a cell
        std::uint32_t pinning_readers = 0;
        std::uint32_t pins_each = 0;
    };

    explicit slot_topics(const division& of) noexcept : area_{of} {}

    /// The topics of all slots (topic_info.cpp).
    static std::vector<topic_info> list(const slot& in, failure& f);

    [[nodiscard]] const topic_area& area() const noexcept { return area_; }
    /// A step of moving in. @param mine The own section.
    void clear(const shared_words& mine, std::uint32_t slots) const;

    /// @name Topics of this slot
    /// @{

    /// Makes a topic, whose index is empty. @param prepare Called before anything of it is shown:
    /// if it throws, nothing is left of the topic.
    own_topic create(slot::impl& in, std::string_view name, const topic_options& options,
                     const std::function<void(const own_topic&)>& prepare, failure& f);
    /// Shows that nothing more will be published. Its messages stay until the room is needed.
    void end(slot::impl& in, const own_topic& ended);
    /// A step of leaving the slot: ends all topics. A thread that receives on a channel leaves an
    /// overwritten slot, so this may run beside the other functions.
    void end_all(const shared_words& mine);
    /// Rings each reader that asks for it, once for each time that it asks.
    /// @return How many were rung.
    unsigned wake_readers(const slot::impl& in, std::uint32_t number);
    /// @}

    /// @name Topics of others
    /// @{

    /// Looks for a topic in the section of one slot; finds one that has ended only if there is no
    /// other of that name.
    [[nodiscard]] std::optional<found_topic> find(const slot::impl& in, std::uint32_t slot,
                                                  const name_bytes& name) const;
    /// Reads where a topic is, once. @return Nothing if it cannot be there.
    [[nodiscard]] std::optional<topic_place> place_of(const slot::impl& in,
                                                      const found_topic& topic) const;
    /// Asks the writer of a topic to ring. The caller must look once more after this.
    void ask(slot::impl& in, const found_topic& topic);
    /// Withdraws one request.
    void withdraw(slot::impl& in, const found_topic& topic) noexcept;
    /// @}

    /// @name Pins in the rows of this slot (topic_pin_place)
    /// @{

    /// Finds one that is not in use, unless `most` are in use for that topic.
    [[nodiscard]] std::optional<std::size_t> find_pin(const found_topic& of,
                                                      std::uint32_t most) const;
    void use_pin(const found_topic& of, std::size_t index);
    void give_back_pin(const found_topic& of, std::size_t index) noexcept;
    /// @}

  private:
    struct owned {
        std::uint32_t key = 0; ///< 0: the entry is unused
        std::atomic<bool> open{false};
        std::uint32_t flags = 0;
        std::uint64_t begin = 0; ///< of its index and data
        std::uint64_t end = 0;
        name_bytes name{};
        std::vector<std::uint32_t> answered; ///< the last word of each reader that was rung for
    };
    struct wish {
        unsigned sleepers = 0; ///< readers of this slot that sleep
        std::uint32_t asked = 0;
    };
    /// The keys of the topics that pins are used for, 0 if none.
    using pin_keys = std::array<std::uint32_t, layout::topics::pins_per_row>;

    [[nodiscard]] bool is_taken(const slot::impl& in, const name_bytes& name) const;
    [[nodiscard]] std::optional<std::uint64_t> gap_for(std::uint64_t size, bool keep) const;
    void drop(const shared_words& mine, std::size_t number);
    [[nodiscard]] std::uint64_t wanted(std::uint32_t slot, std::uint32_t number) const noexcept {
        return area_.row(slot) + number * sizeof(std::uint32_t);
    }

    topic_area area_;
    std::array<owned, layout::topics::per_slot> owned_{};
    std::map<std::pair<std::uint32_t, std::uint32_t>, wish> wishes_; ///< by slot and number
    std::map<std::uint32_t, pin_keys> pins_;                         ///< by the slot of the writer
};

} // namespace ivshmem
