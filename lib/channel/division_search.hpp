// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "channel/division.hpp"
#include "device/device_impl.hpp"

#include <ivshmem/slot.hpp>

#include <cstdint>

namespace ivshmem {

/// Whether it is known that the holder of a slot, with this id at the device, is gone.
[[nodiscard]] bool holder_is_gone(device::impl& at, std::uint16_t id);

/// Looks at the headers of held slots, which may be at any page as long as the division of the
/// memory is not known to be theirs, and agrees with them or fails.
class division_search {
  public:
    division_search(device::impl& at, const slot_options& options);

    /// The division that the options ask for and the peers that are there use.
    division choose(failure& f);
    /// Fails if a peer divides the memory otherwise.
    void confirm(const division& chosen, failure& f);

  private:
    void look(division& chosen, bool adopt, failure& f);
    /// Deals with the header of another division. @return Whether its section is data.
    bool meet(const shared_words& at, const slot_header& found, division& chosen, bool& adopt,
              failure& f);
    [[nodiscard]] bool is_adoptable(const division& theirs) const;

    device::impl& device_;
    const slot_options& options_;
    const std::uint64_t memory_size_;
    const shared_words all_;
};

} // namespace ivshmem
