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
/// little-endian, to be accessed whole. Bytes from 0x10 on are reserved and never touched.
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

    /// All-ones where the access fails, as on the bus.
    [[nodiscard]] std::uint32_t read(offset at) const noexcept;
    /// @return false where the access fails, with errno set; a mapped one cannot.
    bool write(offset at, std::uint32_t value) const noexcept;

    /// The doorbell for inline access; null where it is not mapped.
    [[nodiscard]] volatile std::uint32_t* mapped_doorbell() const noexcept {
        return base_ == nullptr ? nullptr : base_ + doorbell / sizeof(std::uint32_t);
    }

    /// The peer's id. A revision 0 device reads negative until the server gave it one: waits for
    /// that, `timeout` at most. On later revisions all-ones mean that the device is gone.
    std::uint16_t wait_for_id(const std::string& name, unsigned revision,
                              std::chrono::milliseconds timeout, failure& f) const;

  private:
    volatile std::uint32_t* base_ = nullptr;
    int fd_ = -1;
    std::uint64_t region_ = 0;
};

} // namespace ivshmem
