// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/division.hpp"
#include "channel/layout.hpp"
#include "channel/shared_words.hpp"
#include "schedule.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace test {

namespace layout = ivshmem::layout;

/// The peer in slot 1 of two, which takes the steps of the layout in any order, without the
/// library.
class raw_peer {
  public:
    static constexpr ivshmem::region_geometry geometry{2, 4, 1024};

    explicit raw_peer(std::span<std::byte> memory)
        : words_{memory.data(), false}, division_{ivshmem::divided({0, memory.size()}, geometry)} {}

    void hold(std::uint32_t incarnation) const {
        const auto mine = header(1);
        const auto fixed = ivshmem::fixed_words_of(division_, 1);
        for (std::size_t word = 0; word < fixed.size(); ++word)
            mine.store(word * sizeof fixed[word], fixed[word]);
        mine.store(layout::header::claim, incarnation);
        mine.store(layout::header::peer, 2);
        mine.store(layout::header::attention, layout::attention_wanted);
        mine.publish(layout::header::incarnation, incarnation);
    }
    /// Beats as the holder of the slot. @param heartbeat The word.
    void beat(std::uint32_t heartbeat) const {
        const auto mine = header(1);
        mine.store(layout::header::beating, mine.load(layout::header::incarnation));
        mine.publish(layout::header::heartbeat, heartbeat);
    }
    void offer(std::uint32_t entry, std::string_view name, std::uint32_t key) const {
        const auto at = entry_of(1, entry);
        std::array<std::byte, 60> bytes{};
        std::memcpy(bytes.data(), name.data(), name.size());
        at.write(layout::directory_name, bytes);
        at.publish(0, key);
    }
    /// The key of the first service of the other side.
    [[nodiscard]] std::uint32_t key() const { return entry_of(0, 0).load(0); }
    void open(std::uint32_t lane, std::uint32_t service, std::uint32_t accepted,
              std::uint32_t epoch) {
        const auto mine = block(1, lane);
        for (const auto word : {layout::block::epoch, layout::block::ring, layout::block::cursor,
                                layout::block::wake, layout::block::ack, layout::block::flags})
            mine.store(word, 0);
        mine.store(layout::block::attention, layout::attention_wanted);
        mine.store(layout::block::limit, 4096);
        mine.store(layout::block::service, service);
        mine.store(layout::block::accepted, accepted);
        mine.publish(layout::block::epoch, epoch);
        sent_.at(lane) = 0;
    }
    void acknowledge(std::uint32_t lane) const {
        block(1, lane).publish(layout::block::ack, block(0, lane).load(layout::block::epoch));
    }
    void read(std::uint32_t lane, std::uint32_t more) const {
        const auto mine = block(1, lane);
        mine.publish(layout::block::cursor, mine.load(layout::block::cursor) + more * 8);
    }
    void end(std::uint32_t lane, std::uint32_t flags) const {
        block(1, lane).publish(layout::block::flags, flags);
    }
    void wake(std::uint32_t lane, std::uint32_t word) const {
        block(1, lane).publish(layout::block::wake, word);
    }
    void send(std::uint32_t lane, layout::kind kind, std::uint32_t length, std::uint32_t total) {
        const auto ring = block(1, lane).at(layout::block::ring);
        const std::uint32_t at = sent_.at(lane) % geometry.ring_size;
        const std::uint32_t size = layout::record_size(length);
        ring.store((at + size) % geometry.ring_size, 0);
        ring.store(at + layout::record_total, total);
        ring.publish(at, layout::record_valid |
                             static_cast<std::uint32_t>(kind) << layout::record_kind_shift |
                             length);
        sent_.at(lane) += size;
    }

  private:
    [[nodiscard]] ivshmem::shared_words header(std::uint32_t slot) const {
        return words_.at(division_.begin_of(slot));
    }
    [[nodiscard]] ivshmem::shared_words entry_of(std::uint32_t slot, std::uint32_t entry) const {
        return header(slot).at(layout::header::directory + entry * layout::directory_entry_size);
    }
    [[nodiscard]] ivshmem::shared_words block(std::uint32_t slot, std::uint32_t lane) const {
        return header(slot).at(layout::header::size +
                               lane * (layout::block::ring + std::size_t{geometry.ring_size}));
    }

    ivshmem::shared_words words_;
    ivshmem::division division_;
    std::array<std::uint32_t, geometry.lanes> sent_{};
};

} // namespace test
