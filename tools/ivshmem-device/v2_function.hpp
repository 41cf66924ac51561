// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "function.hpp"
#include "link.hpp"

#include <cstdint>
#include <memory>

namespace ivshmem_device {

/// The sections of an ivshmem-v2 memory, in this order: the state table, the read/write section, an
/// output section for each peer (Jailhouse, ivshmem-v2-specification.md, "Shared Memory Regions").
/// Sizes are bytes and multiples of the page size; the last two may be 0.
struct v2_layout {
    std::uint64_t state_table = 0; ///< at least 4 bytes for each peer
    std::uint64_t read_write = 0;
    std::uint64_t output = 0;
    std::uint32_t max_peers = 2;

    [[nodiscard]] std::uint64_t output_offset(std::uint32_t id) const {
        return state_table + read_write + id * output;
    }
    [[nodiscard]] std::uint64_t size() const { return output_offset(max_peers); }
};

struct v2_settings {
    v2_layout layout;
    unsigned vectors = 2;       ///< of MSI-X, at least 1
    std::uint16_t protocol = 0; ///< in the class code
    bool intx = false;          ///< INTx instead of MSI-X
    bool protect = false;       ///< sections that the guest must not write are not mapped
    bool axvisor = false; ///< AxVisor's: v1's PCI ids, no capability, and the register EventStatus
    bool express = false; ///< a PCI Express endpoint, which Jailhouse's is not
    bool bar2 = true;     ///< false: the capability has the address of the memory, which is BAR 4
};

/// An ivshmem-v2 device, 110a:4106 (Jailhouse, ivshmem-v2-specification.md, and as
/// hypervisor/ivshmem.c implements it).
class v2_function final : public function, public peer {
  public:
    /// @param id Less than max_peers. No other device of the link has it.
    v2_function(boost::asio::io_context& io, const v2_settings& s, std::uint16_t id, link& l);
    v2_function(const v2_function&) = delete;
    v2_function& operator=(const v2_function&) = delete;
    /// Sets its state to 0, which notifies the others.
    ~v2_function() override;

    void interrupt(std::uint16_t vector) override;

  private:
    void add_vendor_capability();
    void add_memory();
    void read_registers(std::uint64_t offset, std::span<std::byte> to) override;
    void write_registers(std::uint64_t offset, std::span<const std::byte> from) override;
    void read_memory(std::uint64_t offset, std::span<std::byte> to) override;
    void write_memory(std::uint64_t offset, std::span<const std::byte> from) override;
    void changed() override;
    void reset_registers() override;

    [[nodiscard]] std::uint32_t register_value(std::uint64_t offset) const;
    [[nodiscard]] bool one_shot() const;
    void set_state(std::uint32_t value);
    void store_state();

    v2_settings settings_;
    std::uint16_t id_;
    link& link_;
    std::unique_ptr<membership> place_;
    std::uint32_t events_ = 0; ///< EventStatus: the vectors that were rung
    bool armed_ = false;       ///< IntControl
    std::uint32_t state_ = 0;
};

} // namespace ivshmem_device
