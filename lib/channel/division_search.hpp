// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "channel/division.hpp"
#include "channel/header_search.hpp"
#include "device/device_impl.hpp"

#include <ivshmem/slot.hpp>

#include <cstdint>
#include <optional>

namespace ivshmem {

/// What is known about the holder of a slot.
enum class presence {
    gone,     ///< this connection saw it come or be there, and then leave
    doubtful, ///< its id is not there, but may have been given by another server
    assumed,  ///< it is there, or nothing is known
};

/// What is known about the holder of a slot, a peer with this id at the device.
[[nodiscard]] presence presence_of_holder(device::impl& at, std::uint16_t id);

/// Looks at the headers of held slots, and agrees with them or fails.
class division_search {
  public:
    division_search(device::impl& at, const slot_options& options);

    /// The division that the options and the connected peers agree on.
    division choose(failure& f);
    /// Writes the division into the first header of its region, for newcomers, unless it is there
    /// already. @return The division of another claim that was there.
    std::optional<division> announce(const division& chosen);
    /// Fails if a peer divides the memory differently.
    /// @param displaced The result of announce().
    void confirm(const division& chosen, const std::optional<division>& displaced, failure& f);

  private:
    void check(const division& wanted, failure& f) const;
    void check_size(const division& wanted, failure& f) const;
    void look(division& chosen, bool adopt, failure& f);
    /// Handles the header of another division.
    void meet(const found_header& found, division& chosen, bool& adopt, failure& f);
    void refuse(const found_header& found, const division& chosen, failure& f) const;
    [[nodiscard]] bool is_adoptable(const division& theirs) const;
    [[nodiscard]] bool insists(const found_header& found) const;
    void clear_others(const division& chosen);
    [[nodiscard]] std::vector<found_header> headers(const division& of) const;

    device::impl& device_;
    const slot_options& options_;
    const std::uint64_t memory_size_;
    const shared_words all_;
};

} // namespace ivshmem
