// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/register_access.hpp"
#include "base/failure.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace ivshmem {

/// The registers of BAR0 (QEMU, docs/specs/ivshmem-spec.rst, "Registers"). Bytes from 0x10 on are
/// reserved and never accessed.
class registers : public register_access {
  public:
    enum offset : std::size_t {
        intr_mask = 0x0,   ///< RW; revision 0 only
        intr_status = 0x4, ///< RW, reading clears; revision 0 only
        iv_position = 0x8, ///< RO; the peer's own id
        doorbell = 0xc,    ///< WO; peer << 16 | vector
    };
    static constexpr std::size_t used_bytes = 0x10;

    using register_access::register_access;

    /// Lets a revision 0 device without MSI-X raise INTx, after dropping what was pending.
    void enable_intx() const noexcept;
    /// Keeps a revision 0 device from raising INTx.
    void disable_intx() const noexcept { write(intr_mask, 0); }
    /// Acknowledges INTx: reading IntrStatus clears it, so the device releases the line.
    void acknowledge_intx() const noexcept { static_cast<void>(read(intr_status)); }

    /// Returns the doorbell for inline access; null if it is not mapped.
    [[nodiscard]] volatile std::uint32_t* mapped_doorbell() const noexcept {
        return mapped(doorbell);
    }

    /// Returns the peer's id. A revision 0 device reads negative until the server has given it an
    /// id: waits for that, at most `timeout`. On later revisions all-ones mean that the device is
    /// gone.
    std::uint16_t wait_for_id(const std::string& name, unsigned revision,
                              std::chrono::milliseconds timeout, failure& f) const;
};

} // namespace ivshmem
