// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/error.hpp>
#include <ivshmem/export.hpp>
#include <ivshmem/slot.hpp>
#include <ivshmem/topic_message.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace ivshmem {

/// A topic in shared memory, as its writer describes it. The writer may have written false values,
/// except for the slot and what is said of each.
struct topic_info {
    /// 1 to 59 bytes of UTF-8 without control characters, as topic_reader::open() takes it.
    std::string name{};
    std::uint32_t slot = 0;     ///< of the writer
    std::uint32_t number = 0;   ///< among the topics of that slot: 0..15
    std::uint32_t key = 0;      ///< never 0; another one if a new topic has that number
    std::uint64_t sequence = 0; ///< the number of the last message; 0: none yet
    /// When that was published, by the clock of the writer. The epoch if there is none, or if new
    /// ones came faster than it was read.
    topic_message::time_point time{};
    std::uint64_t size = 0;     ///< the bytes for messages: the longest message, a multiple of 64
    std::uint32_t messages = 0; ///< how many there can be at once: a power of two, 2..65536
    bool ended = false;         ///< the writer ended it; readers that know it read what is left
    bool relayed = false;       ///< it was brought from elsewhere (topic_options::relayed)
    /// The writer left without ending the topic: nobody holds the slot or, in the list that a slot
    /// makes, the holder is lost as for a channel.
    bool lost = false;

    bool operator==(const topic_info&) const = default;
};

/// Lists the topics of all slots, ascending by slot and number; of each slot 16 at most. A name
/// that two slots write is there twice, as topics that have ended are. An entry that cannot be true
/// is left out. Reads a few words of each slot, and writes nothing, so it can be called after each
/// ring: a slot that makes a topic rings all others once.
/// @param in Its own topics are in the list too.
/// @throws error errc::topics_unsupported (the region has no room for topics), closed, slot_lost,
/// forked.
[[nodiscard]] IVSHMEM_API std::vector<topic_info> find_topics(const slot& in);
[[nodiscard]] IVSHMEM_API std::vector<topic_info> find_topics(const slot& in, std::error_code& ec);

/// Lists the topics without a slot, as find_slot_sections() finds the sections: for tools. Thread
/// safe.
/// @param memory As of find_slot_sections().
/// @throws error errc::topics_unsupported: the memory is divided for channels, and no section has
/// room for topics.
[[nodiscard]] IVSHMEM_API std::vector<topic_info> find_topics(std::span<const std::byte> memory);
[[nodiscard]] IVSHMEM_API std::vector<topic_info> find_topics(std::span<const std::byte> memory,
                                                              std::error_code& ec);

} // namespace ivshmem
