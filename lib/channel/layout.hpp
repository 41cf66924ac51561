// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <cstdint>

/// The numbers of the layout of channels, in the order of the tables in
/// lib/channel/channel-layout.md.
namespace ivshmem::layout {

inline constexpr std::uint32_t magic = 0x43535649;
inline constexpr std::uint32_t version = 0x00010002;
inline constexpr std::uint32_t minor_with_topics = 2;
inline constexpr std::size_t page = 4096;

/// Offsets in a section ("The header").
namespace header {
inline constexpr std::size_t magic = 0x000;
inline constexpr std::size_t version = 0x004;
inline constexpr std::size_t slots = 0x008;
inline constexpr std::size_t lanes = 0x00c;
inline constexpr std::size_t ring_size = 0x010;
inline constexpr std::size_t slot = 0x014;
inline constexpr std::size_t section_size_low = 0x018;
inline constexpr std::size_t section_size_high = 0x01c;
inline constexpr std::size_t region_offset_low = 0x020;
inline constexpr std::size_t region_offset_high = 0x024;
inline constexpr std::size_t region_size_low = 0x028;
inline constexpr std::size_t region_size_high = 0x02c;
inline constexpr std::size_t incarnation = 0x040;
inline constexpr std::size_t claim = 0x044;
inline constexpr std::size_t peer = 0x048;
inline constexpr std::size_t attention = 0x04c;
inline constexpr std::size_t heartbeat = 0x050;
inline constexpr std::size_t beating = 0x054;
inline constexpr std::size_t directory = 0x800;
inline constexpr std::size_t size = page;
} // namespace header

inline constexpr std::size_t directory_entries = 32;
inline constexpr std::size_t directory_entry_size = 64;
inline constexpr std::size_t directory_name = 4; ///< in an entry, after the key
inline constexpr std::size_t longest_name = 59;

/// Offsets in a block ("A block").
namespace block {
inline constexpr std::size_t epoch = 0x000;
inline constexpr std::size_t ack = 0x004;
inline constexpr std::size_t flags = 0x008;
inline constexpr std::size_t attention = 0x00c;
inline constexpr std::size_t limit = 0x010;
inline constexpr std::size_t service = 0x014;
inline constexpr std::size_t accepted = 0x018;
inline constexpr std::size_t wake = 0x040;
inline constexpr std::size_t room = 0x044;
inline constexpr std::size_t cursor = 0x080;
inline constexpr std::size_t ring = 0x100;
} // namespace block

inline constexpr std::uint32_t finished = 1U << 0U;
inline constexpr std::uint32_t deaf = 1U << 1U;
inline constexpr unsigned reason_shift = 8;
inline constexpr std::uint32_t reason_mask = 0xff;

inline constexpr std::uint32_t attention_wanted = 1U << 31U;
inline constexpr std::uint32_t attention_vector = 0xffff;

inline constexpr std::uint32_t heartbeat_period = 0xffff; ///< in milliseconds
inline constexpr unsigned heartbeat_count_shift = 16;
inline constexpr unsigned heartbeat_silence = 4; ///< periods without a beat

inline constexpr std::uint32_t wake_data = 1U << 0U;
inline constexpr std::uint32_t wake_room = 1U << 1U;
inline constexpr unsigned wake_count_shift = 2;
inline constexpr std::uint32_t wake_count_mask = 0x3fff;
inline constexpr unsigned wake_vector_shift = 16;

/// Offsets in a record ("A ring").
inline constexpr std::size_t record_total = 4;
inline constexpr std::uint32_t record_header = 8;
inline constexpr std::uint32_t record_valid = 1U << 31U;
inline constexpr unsigned record_kind_shift = 29;
inline constexpr std::uint32_t record_length = 0x1fffffff;

/// The bytes that a record with `length` bytes of payload takes in the ring.
constexpr std::uint32_t record_size(std::uint32_t length) noexcept {
    return record_header + ((length + 7U) & ~7U);
}

/// Offsets in the topics' part of a section ("Topics"), which begins behind the blocks.
namespace topics {
inline constexpr std::size_t per_slot = 16;    ///< topics that a slot can have
inline constexpr std::size_t row_size = 128;   ///< of a reader's words about the topics of one slot
inline constexpr std::size_t entry_size = 256; ///< of an entry of the table behind the rows
inline constexpr std::size_t grain = 64;       ///< data starts at its multiples
inline constexpr std::uint32_t most_messages = 65536; ///< in an index
inline constexpr std::size_t pins = 64;               ///< in a row
inline constexpr std::size_t pins_per_row = 8;        ///< for the topics of the writer together
inline constexpr std::size_t most_grants = 8;         ///< readers of a topic that may pin messages
constexpr std::uint64_t whole_grains(std::uint64_t size) noexcept {
    return (size + grain - 1) / grain * grain;
}
} // namespace topics

/// Offsets in a pin, with which a reader holds a message.
namespace topic_pin {
inline constexpr std::size_t mark = 0x00; ///< 0: nothing is held
inline constexpr std::size_t tag = 0x04;  ///< the key of the topic plus the high of the message
inline constexpr std::size_t size = 8;
} // namespace topic_pin

/// Offsets in a grant, with which the writer lets a reader pin messages.
namespace topic_grant {
inline constexpr std::size_t reader = 0x00; ///< bit 31, a number in bits 16-30, the slot; 0: none
inline constexpr std::size_t incarnation = 0x04; ///< of the reader
inline constexpr std::size_t size = 8;
} // namespace topic_grant

/// Offsets in an entry of the table of topics.
namespace topic {
inline constexpr std::size_t key = 0x00;
inline constexpr std::size_t flags = 0x04;
inline constexpr std::size_t index = 0x08;    ///< in grains, from the start of the section
inline constexpr std::size_t messages = 0x0c; ///< in the index: a power of two
inline constexpr std::size_t data = 0x10;     ///< in grains, from the start of the section
inline constexpr std::size_t size = 0x14;     ///< of the data, in grains
inline constexpr std::size_t pins = 0x18;     ///< messages that a reader may hold; 0: no pins
inline constexpr std::size_t name = 0x40;
inline constexpr std::size_t newest = 0x80;
inline constexpr std::size_t oldest = 0x84;
inline constexpr std::size_t grants = 0xc0;
} // namespace topic

/// Offsets in an entry of the index of a topic.
namespace topic_record {
inline constexpr std::size_t mark = 0x00;
inline constexpr std::size_t high = 0x04;
inline constexpr std::size_t place = 0x08;  ///< in grains, from the start of the data
inline constexpr std::size_t length = 0x0c; ///< in bytes
inline constexpr std::size_t time_low = 0x10;
inline constexpr std::size_t time_high = 0x14;
inline constexpr std::size_t size = 32;
} // namespace topic_record

inline constexpr std::uint32_t topic_ended = 1U << 0U;
inline constexpr std::uint32_t topic_relayed = 1U << 1U;
inline constexpr std::uint32_t topic_mark_valid = 1U << 31U;
inline constexpr std::uint32_t topic_mark_number = 0x7fffffff;
inline constexpr unsigned topic_mark_bits = 31;
inline constexpr std::uint32_t topic_grant_valid = 1U << 31U;
inline constexpr std::uint32_t topic_grant_number = 0x7fff;
inline constexpr unsigned topic_grant_shift = 16;

enum class kind : std::uint32_t { last = 0, part = 1, pad = 2, abandon = 3 };

} // namespace ivshmem::layout
