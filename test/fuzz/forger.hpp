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
#include <string_view>

namespace test {

/// Writes what a peer would write, true or false, without the library.
class forger {
  public:
    explicit forger(std::span<std::byte> memory) : memory_{memory}, words_{memory.data(), false} {}

    /// Writes the header of a slot of any division, which the schedule decides, anywhere.
    void plant(schedule& what) {
        const auto version = versions.at(what.below(versions.size()));
        const auto size = any_size(what);
        const ivshmem::region_geometry geometry{any_number(what), any_number(what),
                                                rings.at(what.below(rings.size()))};
        const ivshmem::memory_region region{any_size(what), size};
        ivshmem::division of{region, geometry, any_size(what)};
        if (what.below(4) != 0) // the numbers agree with each other
            of = ivshmem::divided(region, {geometry.slots == 0 ? 1 : geometry.slots, 1, 1024});
        const std::uint32_t slot = any_number(what);
        const std::uint64_t at =
            what.below(4) != 0 ? of.begin_of(slot) : std::uint64_t{what.byte()} * page;
        if (at % page != 0 || at > memory_.size() - page)
            return;
        const std::uint32_t incarnation = any_number(what);
        write_header(at, of, slot, version, incarnation, any_number(what));
        beat(at, incarnation, what);
    }
    void write_header(std::uint64_t at, const ivshmem::division& of, std::uint32_t slot,
                      std::uint32_t version, std::uint32_t incarnation, std::uint32_t peer) {
        auto fixed = ivshmem::fixed_words_of(of, slot);
        fixed[1] = version;
        const auto header = words_.at(at);
        for (std::size_t word = 0; word < fixed.size(); ++word)
            header.store(word * sizeof fixed[word], fixed[word]);
        header.store(ivshmem::layout::header::claim, incarnation);
        header.store(ivshmem::layout::header::peer, peer);
        header.store(ivshmem::layout::header::attention, ivshmem::layout::attention_wanted);
        header.publish(ivshmem::layout::header::incarnation, incarnation);
    }
    /// Writes the words of a heartbeat, of this holder in most cases.
    void beat(std::uint64_t at, std::uint32_t incarnation, schedule& what) {
        const auto header = words_.at(at);
        header.store(ivshmem::layout::header::heartbeat, any_heartbeat(what));
        header.publish(ivshmem::layout::header::beating,
                       what.below(4) != 0 ? incarnation : any_number(what));
    }
    /// Writes any word of the first words of a page.
    void scribble(schedule& what) {
        const std::size_t pages = memory_.size() / page;
        const std::size_t at = what.byte() % pages * page + what.below(32) * std::size_t{4};
        words_.store(at, what.below(2) == 0 ? any_number(what) : what.word());
    }
    /// A number that the schedule chooses, often one that makes sense.
    static std::uint32_t any_number(schedule& what) {
        const std::uint32_t choice = what.byte();
        return choice < 240   ? choice % 10
               : choice < 250 ? std::uint32_t{1} << (choice % 32U)
                              : what.word();
    }
    /// No heartbeat, one with a usual period, or any.
    static std::uint32_t any_heartbeat(schedule& what) {
        constexpr std::array periods{0U, 1U, 100U, 0xffffU};
        const std::uint32_t choice = what.byte();
        return choice >= 250 ? what.word()
                             : periods.at(choice % 4) |
                                   (choice / 4) << ivshmem::layout::heartbeat_count_shift;
    }
    /// A multiple of pages in most cases, and less than the memory.
    [[nodiscard]] std::uint64_t any_size(schedule& what) const {
        const std::uint32_t choice = what.byte();
        if (choice < 64)
            return 0;
        if (choice < 128)
            return memory_.size();
        if (choice < 250)
            return std::uint64_t{what.byte()} * page;
        return std::uint64_t{what.word()} << 32U | what.word();
    }

  private:
    static constexpr std::uint64_t page = ivshmem::layout::page;
    static constexpr std::array<std::uint32_t, 6> versions{
        ivshmem::layout::version, ivshmem::layout::version, 0x10000, 0x1ffff, 0x20000, 0};
    static constexpr std::array<std::uint32_t, 6> rings{1024, 2048, 65536, 0, 1U << 31U, 1000};

    std::span<std::byte> memory_;
    ivshmem::shared_words words_;
};

} // namespace test
