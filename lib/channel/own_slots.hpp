// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstdint>

namespace ivshmem {

/// A slot that this process holds while the object lives. A process never claims its own slot,
/// because its holder may not be running and could not answer.
///
/// An incarnation is random, so it identifies the slot no matter which device leads to the memory.
///
/// @par Thread Safety
/// Safe.
class own_slot {
  public:
    /// @param alive False in a child process, which does not hold the slot.
    own_slot(std::uint32_t number, std::uint32_t incarnation, const bool& alive);
    own_slot(const own_slot&) = delete;
    own_slot& operator=(const own_slot&) = delete;
    ~own_slot();

    /// Whether this process holds the slot of that number with that incarnation.
    static bool exists(std::uint32_t number, std::uint32_t incarnation);

  private:
    const std::uint32_t number_;
    const std::uint32_t incarnation_;
    const bool& alive_;
};

} // namespace ivshmem
