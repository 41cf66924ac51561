// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "channel/division.hpp"
#include "device/device_impl.hpp"

#include <ivshmem/slot.hpp>

#include <cstdint>

namespace ivshmem {

/// Whether the holder of a slot, a peer with this id at the device, is known to be gone.
[[nodiscard]] bool holder_is_gone(device::impl& at, std::uint16_t id);

/// Looks at the headers of held slots, and agrees with them or fails. They may be at any page until
/// the division of the memory is known.
class division_search {
  public:
    division_search(device::impl& at, const slot_options& options);

    /// The division that the options and the connected peers agree on.
    division choose(failure& f);
    /// Fails if a peer divides the memory differently.
    void confirm(const division& chosen, failure& f);

  private:
    void look(division& chosen, bool adopt, failure& f);
    /// Handles the header of another division. @return Whether its section is data.
    bool meet(const shared_words& at, const slot_header& found, division& chosen, bool& adopt,
              failure& f);
    [[nodiscard]] bool is_adoptable(const division& theirs) const;

    device::impl& device_;
    const slot_options& options_;
    const std::uint64_t memory_size_;
    const shared_words all_;
};

} // namespace ivshmem
