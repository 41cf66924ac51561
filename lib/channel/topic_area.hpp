// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/division.hpp"
#include "channel/layout.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace ivshmem {

class shared_words;

/// A topic in the section of its writer, as its entry says; checked by topic_area::holds().
struct topic_place {
    std::uint64_t entry = 0; ///< an offset in the section, as the next ones
    std::uint64_t index = 0;
    std::uint64_t data = 0;
    std::uint64_t size = 0; ///< of the data, in bytes
    std::uint32_t messages = 0;

    bool operator==(const topic_place&) const = default;
};

/// The part of a section behind its blocks, in which a slot has its topics ("Topics" of
/// channel-layout.md). The same in each section of a region. Offsets count from the start of the
/// section.
class topic_area {
  public:
    explicit topic_area(const division& of) noexcept;

    /// Whether there is room for a topic.
    [[nodiscard]] bool exists() const noexcept;
    /// The row of a slot: words `wanted` for its topics.
    [[nodiscard]] std::uint64_t row(std::uint32_t slot) const noexcept {
        return begin_ + slot * layout::topics::row_size;
    }
    [[nodiscard]] std::uint64_t entry(std::size_t number) const noexcept {
        return table_ + number * layout::topics::entry_size;
    }
    /// The room for indexes and data.
    [[nodiscard]] std::uint64_t room() const noexcept {
        return table_ + layout::topics::per_slot * layout::topics::entry_size;
    }
    [[nodiscard]] std::uint64_t end() const noexcept { return end_; }
    /// Whether index and data are in the room, and their sizes in the ranges of the layout.
    [[nodiscard]] bool holds(const topic_place& place) const noexcept;
    /// Reads where a topic is, each word once. @return Nothing if it cannot be there.
    [[nodiscard]] std::optional<topic_place> place_in(const shared_words& section,
                                                      std::size_t number) const;

  private:
    std::uint64_t begin_;
    std::uint64_t table_;
    std::uint64_t end_; ///< of the section
};

} // namespace ivshmem
