// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "config_space.hpp"
#include "interrupts.hpp"

#include <boost/asio/io_context.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <linux/vfio.h>

namespace ivshmem_device {

/// A part of a BAR that the client may map.
struct area {
    std::uint64_t offset = 0;
    std::uint64_t size = 0; ///< bytes, a multiple of the page size
};

struct bar {
    std::uint64_t size = 0; ///< bytes, a power of two; 0: absent
    bool wide = false;      ///< 64 bits, so it takes the next index too
    bool prefetchable = false;
    int fd = -1; ///< the file of the areas, which begins with the BAR
    std::vector<area> mapped;
};

/// A PCI function: what a VM sees of its device. Derived classes have the registers.
///
/// Runs in the io_context's only thread.
class function {
  public:
    function(const function&) = delete;
    function& operator=(const function&) = delete;
    virtual ~function() = default;

    [[nodiscard]] const bar& bar_at(unsigned index) const { return bars_.at(index); }
    [[nodiscard]] int describe_irqs(vfio_irq_info& info) const { return irqs_.describe(info); }

    /// Returns the bytes of a region of VFIO; 0 if it is absent.
    [[nodiscard]] std::uint64_t region_size(std::uint32_t index) const;
    /// Reads and writes a region; the bytes lie within it.
    void read(std::uint32_t region, std::uint64_t offset, std::span<std::byte> to);
    void write(std::uint32_t region, std::uint64_t offset, std::span<const std::byte> from);
    int set_irqs(const vfio_irq_set& what, std::span<const std::byte> data,
                 std::vector<ivshmem::unique_fd> fds);
    /// Resets the function, as its VM does at each start.
    void reset();

  protected:
    /// @param vectors The vectors of MSI-X, at most 2048; 0: none.
    function(boost::asio::io_context& io, const identity& who, bool intx, unsigned vectors);

    void add_bar(unsigned index, bar what);
    /// Adds BAR 1 with the table of MSI-X, and the capability at this offset.
    void add_msix(std::uint8_t offset);
    /// Makes it a PCI Express endpoint: adds that capability at this offset.
    void add_express(std::uint8_t offset);
    [[nodiscard]] config_space& config() { return config_; }
    [[nodiscard]] const config_space& config() const { return config_; }
    [[nodiscard]] interrupts& irqs() { return irqs_; }
    /// Interrupts the VM with a vector of MSI-X.
    /// @return false if it cannot: MSI-X or bus mastering is off, all vectors are masked, or the
    /// client has given no eventfd for this one. Masks of single vectors are the client's.
    bool send_msix(unsigned vector);

    virtual void read_registers(std::uint64_t offset, std::span<std::byte> to) = 0;
    virtual void write_registers(std::uint64_t offset, std::span<const std::byte> from) = 0;
    /// Accesses to memory that the client has not mapped.
    virtual void read_memory(std::uint64_t offset, std::span<std::byte> to) = 0;
    virtual void write_memory(std::uint64_t offset, std::span<const std::byte> from) = 0;
    /// Reads a byte of the pending bits of MSI-X.
    [[nodiscard]] virtual std::byte pending_byte(std::size_t) const { return std::byte{0}; }
    /// Called after the configuration space or the eventfds changed.
    virtual void changed() {}
    /// Called before the configuration space is reset.
    virtual void reset_registers() = 0;

  private:
    void read_msix(std::uint64_t offset, std::span<std::byte> to) const;

    config_space config_;
    interrupts irqs_;
    std::array<bar, 6> bars_;
    std::uint8_t msix_capability_ = 0; ///< its offset; 0: none
    std::uint64_t pending_bits_ = 0;   ///< their offset in BAR 1
};

} // namespace ivshmem_device
