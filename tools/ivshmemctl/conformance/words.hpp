// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>

namespace ivshmemctl::conformance {

/// The numbers of channel-layout.md, written down again: if the library's were wrong, a comparison
/// with them would not show it.
/// @{
constexpr std::uint32_t page = 4096;
constexpr std::uint32_t right_magic = 0x43535649;
constexpr std::uint32_t right_major = 1;
constexpr std::uint32_t bit31 = 0x80000000U;
constexpr std::uint32_t is_finished = 1, is_deaf = 2;
constexpr std::uint32_t for_data = 1, for_room = 2;

namespace in_header {
enum : std::size_t {
    magic = 0x000,
    version = 0x004,
    slots = 0x008,
    lanes = 0x00c,
    ring_size = 0x010,
    slot = 0x014,
    section_size = 0x018,
    region_offset = 0x020,
    region_size = 0x028,
    fixed_end = 0x030,
    incarnation = 0x040,
    claim = 0x044,
    peer = 0x048,
    attention = 0x04c,
    heartbeat = 0x050,
    beating = 0x054,
    used_end = 0x058,
    directory = 0x800,
    entry_size = 64,
    entries = 32,
    name_size = 60,
};
} // namespace in_header

namespace in_block {
enum : std::size_t {
    epoch = 0x000,
    ack = 0x004,
    flags = 0x008,
    attention = 0x00c,
    limit = 0x010,
    service = 0x014,
    accepted = 0x018,
    first_end = 0x01c,
    wake = 0x040,
    room = 0x044,
    second_end = 0x048,
    cursor = 0x080,
    third_end = 0x084,
    ring = 0x100,
};
} // namespace in_block

enum kind : std::uint32_t { last = 0, part = 1, pad = 2, abandon = 3 };
/// @}

/// Shared memory as words.
class words {
  public:
    words() = default;
    explicit words(std::byte* at) : at_{at} {}

    [[nodiscard]] words from(std::size_t offset) const { return words{at_ + offset}; }
    [[nodiscard]] bool is(const words& other) const { return at_ == other.at_; }
    [[nodiscard]] std::uint32_t look(std::size_t offset) const {
        return word(offset).load(std::memory_order_acquire);
    }
    /// Fences on both sides, also for write-combining memory.
    void publish(std::size_t offset, std::uint32_t value) const {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        word(offset).store(value, std::memory_order_release);
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    /// Two words: the low half first.
    [[nodiscard]] std::uint64_t look_wide(std::size_t offset) const {
        return look(offset) | std::uint64_t{look(offset + 4)} << 32U;
    }

  private:
    [[nodiscard]] std::atomic_ref<std::uint32_t> word(std::size_t offset) const {
        return std::atomic_ref{*reinterpret_cast<std::uint32_t*>(at_ + offset)};
    }

    std::byte* at_ = nullptr;
};

/// Returns a random word that is not 0.
inline std::uint32_t random_word() {
    static std::random_device source;
    return static_cast<std::uint32_t>(source()) | 1U;
}

} // namespace ivshmemctl::conformance
