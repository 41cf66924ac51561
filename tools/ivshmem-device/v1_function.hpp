// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "function.hpp"
#include "link.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

namespace ivshmem_device {

/// How a device with the register interface of v1, 1af4:1110, differs from others.
struct v1_settings {
    identity who;
    std::uint16_t position = 0; ///< the id, in IVPosition
    unsigned vectors = 0;       ///< of MSI-X; 0: none
    bool intx = false;          ///< INTx, for any vector of the doorbell (revision 0)
    bool doorbell = true;       ///< false: the doorbell is ignored
    bool mask = true;           ///< IntrMask and IntrStatus keep what is written
    bool only_dwords = false;   ///< only aligned 4-byte accesses below 0x10 have an effect
    bool latches = true;        ///< a vector that cannot be sent yet is pending; false: dropped
    std::uint32_t reserved = 0; ///< the value of reserved registers
    bool empty_bar1 = false;    ///< a BAR 1 without MSI-X
    bool prefetchable = true;   ///< BAR 2
    bool express = false;       ///< a PCI Express endpoint, which none of these is
    std::chrono::milliseconds late{0}; ///< after a reset, IVPosition is -1 for this time
};

/// A device with the register interface of v1 (QEMU, docs/specs/ivshmem-spec.rst), as the
/// hypervisors have it.
class v1_function final : public function, public peer {
  public:
    v1_function(boost::asio::io_context& io, const v1_settings& s, const shared_memory& memory);

    /// Gives the device its place among its peers.
    void enter(std::unique_ptr<membership> place) { place_ = std::move(place); }
    void interrupt(std::uint16_t vector) override;

  private:
    using clock = std::chrono::steady_clock;

    void read_registers(std::uint64_t offset, std::span<std::byte> to) override;
    void write_registers(std::uint64_t offset, std::span<const std::byte> from) override;
    void read_memory(std::uint64_t offset, std::span<std::byte> to) override;
    void write_memory(std::uint64_t offset, std::span<const std::byte> from) override;
    [[nodiscard]] std::byte pending_byte(std::size_t at) const override;
    void changed() override;
    void reset_registers() override;

    std::uint32_t read_register(std::uint64_t offset);
    void write_register(std::uint64_t offset, std::uint32_t value);
    void update_intx();

    v1_settings settings_;
    const shared_memory& memory_;
    std::unique_ptr<membership> place_;
    std::vector<bool> pending_; ///< by vector
    std::uint32_t mask_ = 0;
    std::uint32_t status_ = 0;
    clock::time_point ready_;
};

} // namespace ivshmem_device
