// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/division.hpp"
#include "channel/shared_words.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace ivshmem {

/// A header at a place where the layout puts one.
struct found_header {
    std::uint64_t offset; ///< in the memory
    slot_header words;
    bool held;
    bool beyond = false; ///< the region ends past this memory: a peer with a larger one laid it out
};

/// Finds headers in shared memory ("The first header" of channel-layout.md), ascending by offset.
///
/// Looks only at places where the layout puts a header, a few thousand at most whatever the size of
/// the memory. The bytes of a message that look like a header are not found, because the header at
/// the start of the region says where its headers are.
/// @param wanted A division whose headers are looked at too; its geometry may be too large for it.
[[nodiscard]] std::vector<found_header> find_headers(const shared_words& memory,
                                                     std::uint64_t memory_size,
                                                     const std::optional<division>& wanted);
/// Finds the sections of this layout, ascending by offset; one may end past this memory. A header
/// in the section of another one is stale.
[[nodiscard]] std::vector<found_header> find_sections(const shared_words& memory,
                                                      std::uint64_t memory_size);

} // namespace ivshmem
