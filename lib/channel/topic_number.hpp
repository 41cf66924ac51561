// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/layout.hpp"

#include <cstdint>

namespace ivshmem {

/// The two words that stand for the number of a message of a topic.
struct topic_number {
    static std::uint32_t mark(std::uint64_t number) noexcept {
        return layout::topic_mark_valid |
               (static_cast<std::uint32_t>(number) & layout::topic_mark_number);
    }
    static std::uint32_t high(std::uint64_t number) noexcept {
        return static_cast<std::uint32_t>(number >> layout::topic_mark_bits);
    }
    /// The word that a pin has beside the mark while it holds the message.
    static std::uint32_t tag(std::uint32_t key, std::uint64_t number) noexcept {
        return key + high(number);
    }
};

} // namespace ivshmem
