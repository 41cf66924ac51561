// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace ivshmem {

/// The registers of BAR0 (QEMU, docs/specs/ivshmem-spec.rst, "Registers"): 32 bits wide,
/// little-endian, and accessed whole. Bytes from 0x10 on are reserved and never accessed.
class registers {
  public:
    enum offset : std::size_t {
        intr_mask = 0x0,   ///< RW; revision 0 only
        intr_status = 0x4, ///< RW, reading clears; revision 0 only
        iv_position = 0x8, ///< RO; the peer's own id
        doorbell = 0xc,    ///< WO; peer << 16 | vector
    };
    static constexpr std::size_t used_bytes = 0x10;

    registers() = default;
    /// Registers that are mapped at `base`.
    explicit registers(volatile std::uint32_t* base) noexcept : base_{base} {}
    /// Registers that are read and written through a descriptor (VFIO, where BAR0 shares its page
    /// with something else).
    registers(int fd, std::uint64_t region) noexcept : fd_{fd}, region_{region} {}

    /// Reads a register. Returns all-ones if the access fails, as on the bus.
    [[nodiscard]] std::uint32_t read(offset at) const noexcept;
    /// @return false with errno set if the access fails; a mapped register cannot fail.
    bool write(offset at, std::uint32_t value) const noexcept;

    /// Returns the doorbell for inline access; null if it is not mapped.
    [[nodiscard]] volatile std::uint32_t* mapped_doorbell() const noexcept {
        return base_ == nullptr ? nullptr : base_ + doorbell / sizeof(std::uint32_t);
    }

    /// Returns the peer's id. A revision 0 device reads negative until the server has given it an
    /// id: waits for that, at most `timeout`. On later revisions all-ones mean that the device is
    /// gone.
    std::uint16_t wait_for_id(const std::string& name, unsigned revision,
                              std::chrono::milliseconds timeout, failure& f) const;

  private:
    volatile std::uint32_t* base_ = nullptr;
    int fd_ = -1;
    std::uint64_t region_ = 0;
};

} // namespace ivshmem
