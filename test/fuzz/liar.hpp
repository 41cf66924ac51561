// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "channel/shared_words.hpp"
#include "schedule.hpp"

#include <ivshmem/region_geometry.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace test {

/// The geometry of all fuzz tests, in which blocks are easy to find.
inline constexpr ivshmem::region_geometry small{2, 1, 1024};
inline constexpr std::size_t small_region = 65536;
inline constexpr std::size_t small_section = small_region / 2;

/// A peer that writes anything into the section of a slot, or of both.
class liar {
  public:
    /// @param slot The slot whose section it writes.
    /// @param everywhere Also the other slot's section.
    liar(std::span<std::byte> memory, std::uint32_t slot, bool everywhere)
        : words_{memory.data(), false}, slot_{slot}, everywhere_{everywhere} {}

    /// Writes a word; the schedule decides its place and value.
    void lie(schedule& what);
    /// Beats as the holder of the slot, or with a false word.
    void beat(schedule& what) const;
    /// Does the same, but writes nothing that ends the session.
    void lie_about_rings(schedule& what);
    /// Writes the words that connect the other side, which accepts them.
    void meet() const;

  private:
    [[nodiscard]] std::size_t place(schedule& what) const;
    [[nodiscard]] std::uint32_t value(schedule& what, std::uint32_t now) const;

    ivshmem::shared_words words_;
    std::uint32_t slot_;
    bool everywhere_;
};

} // namespace test
