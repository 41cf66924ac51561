// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/register_access.hpp"
#include "base/failure.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace ivshmem {

/// The registers of an ivshmem-v2 device in BAR0 (Jailhouse,
/// Documentation/ivshmem-v2-specification.md, "Register Region"). Others are never accessed.
class v2_registers : public register_access {
  public:
    enum offset : std::size_t {
        id = 0x00,          ///< RO; the peer's own id
        max_peers = 0x04,   ///< RO; 2..65536
        int_control = 0x08, ///< RW; bit 0: deliver interrupts
        doorbell = 0x0c,    ///< WO; peer << 16 | vector
        state = 0x10,       ///< RW; this peer's state
    };
    static constexpr std::size_t used_bytes = 0x14;

    using register_access::register_access;

    /// Returns the doorbell for inline access; null if it is not mapped.
    [[nodiscard]] volatile std::uint32_t* mapped_doorbell() const noexcept {
        return mapped(doorbell);
    }

    /// The registers that never change.
    struct identity {
        std::uint16_t id = 0;
        std::uint32_t max_peers = 0;
    };
    /// Reads ID and Maximum Peers, and checks their ranges.
    identity identify(const std::string& name, failure& f) const;
};

} // namespace ivshmem
