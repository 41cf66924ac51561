// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ivshmem_device {

/// What identifies a PCI function (PCI Local Bus Specification 3.0, 6.2.1 and 6.2.4).
struct identity {
    std::uint16_t vendor = 0;
    std::uint16_t device = 0;
    std::uint8_t revision = 0;
    std::uint32_t class_code = 0; ///< base class, sub-class and programming interface: 24 bits
    std::uint16_t subsystem_vendor = 0;
    std::uint16_t subsystem = 0;
};

/// The configuration space of a conventional PCI function: 256 bytes, of which the guest can write
/// some bits.
///
/// QEMU keeps BARs, capability pointers and the MSI-X capability itself and forwards all writes;
/// reads of the rest come here.
class config_space {
  public:
    static constexpr std::size_t size = 256;

    explicit config_space(const identity& who);

    /// Adds a memory BAR.
    /// @param bytes Its size, a power of two.
    /// @param wide Whether it has 64 bits, and takes the next index too.
    void add_bar(unsigned index, std::uint64_t bytes, bool wide, bool prefetchable);
    /// Gives the function the interrupt pin A.
    void add_interrupt_pin();
    /// Adds a capability at this offset, after the others.
    /// @param body Its bytes after id and next pointer.
    void add_capability(std::uint8_t offset, std::uint8_t id, std::span<const std::byte> body);
    /// Lets the guest write these bits of a byte.
    void make_writable(std::size_t offset, std::uint8_t bits);

    /// @param to Bytes from this offset, all within the space.
    void read(std::size_t offset, std::span<std::byte> to) const;
    void write(std::size_t offset, std::span<const std::byte> from);
    /// Returns to the state in which nothing was written.
    void reset() { bytes_ = initial_; }

    [[nodiscard]] std::uint32_t dword(std::size_t offset) const;
    [[nodiscard]] bool bus_master() const { return (dword(0x04) & 0x4) != 0; }
    [[nodiscard]] bool intx_disabled() const { return (dword(0x04) & 0x400) != 0; }
    /// Sets the Interrupt Status bit of the status register (6.2.3).
    void set_interrupt_status(bool pending);
    /// Stores a value that only the device changes.
    void set(std::size_t offset, std::span<const std::byte> value);

  private:
    void put(std::size_t offset, std::uint64_t value, unsigned count);

    std::array<std::byte, size> bytes_{};
    std::array<std::byte, size> initial_{};
    std::array<std::byte, size> writable_{};
    std::size_t last_pointer_ = 0x34; ///< the byte that points to the next capability
};

} // namespace ivshmem_device
