// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/backend.hpp"
#include "base/failure.hpp"
#include "channel/division.hpp"
#include "channel/shared_words.hpp"

#include <ivshmem/slot.hpp>

namespace ivshmem {

/// The memory that channels use, from its begin: the whole memory or, on ivshmem-v2, the output
/// sections of all peers.
[[nodiscard]] shared_words channel_memory(const backend_facts& facts) noexcept;

/// The division of the memory on ivshmem-v2 ("On ivshmem-v2" of channel-layout.md). The device
/// makes the sections; the peers agree on the number of lanes and the size of the rings. Reads
/// only.
class v2_division {
  public:
    /// @pre facts.v2. Both arguments must outlive the object.
    v2_division(const backend_facts& facts, const slot_options& options)
        : facts_{facts}, options_{options} {}

    /// The division that the options and the peers that are there agree on.
    [[nodiscard]] division choose(failure& f) const;
    /// Fails if a peer that is there has another geometry.
    void confirm(const division& chosen, failure& f) const;

  private:
    [[nodiscard]] division with(const region_geometry& geometry) const noexcept;
    void check(const division& wanted, failure& f) const;
    void look(division& chosen, bool adopt, failure& f) const;
    void refuse(std::uint32_t slot, const slot_header& theirs, const division& chosen,
                failure& f) const;

    const backend_facts& facts_;
    const slot_options& options_;
};

} // namespace ivshmem
