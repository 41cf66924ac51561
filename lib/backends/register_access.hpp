// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cstddef>
#include <cstdint>

namespace ivshmem {

/// Registers of BAR0: 32 bits wide, little-endian, and accessed whole, by their offset.
class register_access {
  public:
    register_access() = default;
    /// Registers that are mapped at `base`.
    explicit register_access(volatile std::uint32_t* base) noexcept : base_{base} {}
    /// Registers that are read and written through a descriptor (VFIO, where BAR0 shares its page
    /// with something else).
    register_access(int fd, std::uint64_t region) noexcept : fd_{fd}, region_{region} {}

    /// Whether there are registers to access.
    [[nodiscard]] bool is_set() const noexcept { return base_ != nullptr || fd_ >= 0; }
    /// Reads a register. Returns all-ones if the access fails, as on the bus.
    [[nodiscard]] std::uint32_t read(std::size_t at) const noexcept;
    /// Writes a register, after all earlier stores.
    /// @return false with errno set if the access fails; a mapped register cannot fail.
    bool write(std::size_t at, std::uint32_t value) const noexcept;

  protected:
    /// Returns a register for inline access; null if it is not mapped.
    [[nodiscard]] volatile std::uint32_t* mapped(std::size_t at) const noexcept {
        return base_ == nullptr ? nullptr : base_ + at / sizeof(std::uint32_t);
    }

  private:
    volatile std::uint32_t* base_ = nullptr;
    int fd_ = -1;
    std::uint64_t region_ = 0;
};

} // namespace ivshmem
