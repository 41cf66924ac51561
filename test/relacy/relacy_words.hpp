// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/layout.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

// Last, because it defines macros with common names.
#include <relacy/relacy.hpp>

namespace test {

namespace layout = ivshmem::layout;

inline constexpr std::uint32_t ring_size = 64;

/// A block with only the words of rings and of sleeping, each of which Relacy watches. A place in
/// the ring is a word for heads and totals, and a plain variable for payload; a side that looks for
/// a head too soon may see payload.
struct relacy_block {
    void clear() {
        for (auto& word : words)
            word.store(0, rl::mo_relaxed, RL_INFO);
    }
    rl::atomic<std::uint32_t>& word(std::size_t offset) {
        switch (offset) {
        case layout::block::wake:
            return words[0];
        case layout::block::room:
            return words[1];
        case layout::block::cursor:
            return words[2];
        default:
            RL_ASSERT(offset >= layout::block::ring && offset < layout::block::ring + ring_size);
            return words[3 + (offset - layout::block::ring) / 4];
        }
    }
    rl::var<std::uint32_t>& payload(std::size_t offset) {
        RL_ASSERT(offset >= layout::block::ring && offset < layout::block::ring + ring_size);
        return payloads[(offset - layout::block::ring) / 4];
    }

    std::array<rl::atomic<std::uint32_t>, 3 + ring_size / 4> words;
    std::array<rl::var<std::uint32_t>, ring_size / 4> payloads;
};

/// The ordering that one end weakens.
enum class mutation { none, relaxed_publish, relaxed_look, no_fence };

/// Replaces shared_words.
template <mutation Mutation>
class relacy_words {
  public:
    relacy_words() = default;
    explicit relacy_words(relacy_block& block) : block_{&block} {}

    [[nodiscard]] std::uint32_t load(std::size_t offset) const {
        return block_->word(offset).load(rl::mo_relaxed, RL_INFO);
    }
    [[nodiscard]] std::uint32_t look(std::size_t offset) const {
        return block_->word(offset).load(
            Mutation == mutation::relaxed_look ? rl::mo_relaxed : rl::mo_acquire, RL_INFO);
    }
    void store(std::size_t offset, std::uint32_t value) const {
        block_->word(offset).store(value, rl::mo_relaxed, RL_INFO);
    }
    void publish(std::size_t offset, std::uint32_t value) const {
        block_->word(offset).store(
            value, Mutation == mutation::relaxed_publish ? rl::mo_relaxed : rl::mo_release,
            RL_INFO);
    }
    void publish(std::size_t offset, std::uint32_t first, std::uint32_t second) const {
        store(offset + sizeof first, second);
        publish(offset, first);
    }
    static void fence() {
        if (Mutation != mutation::no_fence)
            rl::atomic_thread_fence(rl::mo_seq_cst, RL_INFO);
    }
    void write(std::size_t offset, std::span<const std::byte> bytes) const {
        for (std::size_t i = 0; i < bytes.size(); i += 4) {
            std::uint32_t value = 0;
            std::memcpy(&value, bytes.data() + i, 4);
            block_->payload(offset + i)(RL_INFO) = value;
            store(offset + i, value);
        }
    }
    void read(std::size_t offset, std::span<std::byte> bytes) const {
        for (std::size_t i = 0; i < bytes.size(); i += 4) {
            const std::uint32_t value = block_->payload(offset + i)(RL_INFO);
            std::memcpy(bytes.data() + i, &value, 4);
        }
    }
    static void pause() {}
    [[nodiscard]] static bool combining() { return false; }
    void prefetch_to_write(std::size_t) const {}

  private:
    relacy_block* block_ = nullptr;
};

} // namespace test
