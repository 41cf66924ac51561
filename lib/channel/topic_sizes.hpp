// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "channel/layout.hpp"

#include <ivshmem/topic_writer.hpp>

#include <cstdint>

namespace ivshmem {

/// The sizes of a topic, as its options and the room in the section decide them.
struct topic_sizes {
    std::uint32_t messages = 0; ///< of the index
    std::uint64_t data = 0;     ///< bytes
    std::uint64_t longest = 0;  ///< message, in bytes; with pins, the size of a cell

    /// @param room Bytes for all topics of the slot.
    static topic_sizes choose(const topic_options& options, std::uint64_t room, failure& f);

    /// Bytes.
    [[nodiscard]] std::uint64_t index() const noexcept {
        return std::uint64_t{messages} * layout::topic_record::size;
    }
};

} // namespace ivshmem
