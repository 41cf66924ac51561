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

/// The geometry of all that is tried here: blocks are where they are easily found.
inline constexpr ivshmem::region_geometry small{2, 1, 1024};
inline constexpr std::size_t small_region = 65536;
inline constexpr std::size_t small_section = small_region / 2;

/// A peer that writes what it likes into the section of a slot, or into both.
class liar {
  public:
    /// @param slot Whose section it writes. @param everywhere Also the other one's.
    liar(std::span<std::byte> memory, std::uint32_t slot, bool everywhere)
        : words_{memory.data(), false}, slot_{slot}, everywhere_{everywhere} {}

    /// Writes a word, of which the schedule tells where and what.
    void lie(schedule& what);
    /// The same, but nothing that ends the session.
    void lie_about_rings(schedule& what);
    /// Writes what connects the other side: a lie that is believed.
    void meet() const;

  private:
    [[nodiscard]] std::size_t place(schedule& what) const;
    [[nodiscard]] std::uint32_t value(schedule& what, std::uint32_t now) const;

    ivshmem::shared_words words_;
    std::uint32_t slot_;
    bool everywhere_;
};

} // namespace test
