// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/doorbell_writer.hpp"
#include "base/unique_fd.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <linux/vfio.h>

namespace ivshmem_device {

/// The interrupts of a PCI function, as VFIO describes them: INTx, which the client masks when it
/// was signalled, and the vectors of MSI-X. The client gives an eventfd for each (SET_IRQS).
class interrupts {
  public:
    /// @param vectors The vectors of MSI-X; 0: the function has no MSI-X.
    interrupts(boost::asio::io_context& io, bool intx, unsigned vectors);
    interrupts(const interrupts&) = delete;
    interrupts& operator=(const interrupts&) = delete;
    ~interrupts();

    /// Fills in the count and the flags of an index.
    /// @return 0, or EINVAL for an index that the function lacks.
    int describe(vfio_irq_info& info) const;
    /// Applies SET_IRQS.
    /// @param data The bytes after the structure.
    /// @return 0, or an errno.
    int set(const vfio_irq_set& what, std::span<const std::byte> data,
            std::vector<ivshmem::unique_fd> fds);

    [[nodiscard]] unsigned vectors() const { return static_cast<unsigned>(msix_.size()); }
    /// Signals the client's eventfd of a vector; false if there is none.
    bool signal(unsigned vector);

    /// Signals INTx once, as soon as it is neither masked nor disabled. Events until then are one.
    void pulse_intx();
    /// Asserts or deasserts INTx.
    void set_intx(bool level);
    /// Enables or disables INTx (the command register's Interrupt Disable bit).
    void enable_intx(bool enabled);
    /// Forgets the events that were not signalled yet, and deasserts INTx.
    void reset();

  private:
    struct unmask_watch;

    int set_msix(const vfio_irq_set& what, std::span<const std::byte> data,
                 std::vector<ivshmem::unique_fd> fds);
    int set_intx(const vfio_irq_set& what, std::span<const std::byte> data,
                 std::vector<ivshmem::unique_fd> fds);
    void watch_unmask(ivshmem::unique_fd fd);
    void stop_unmask_watch();
    void unmask();
    void update_intx();

    boost::asio::io_context& io_;
    ivshmem::doorbell_writer writer_;
    std::vector<ivshmem::unique_fd> msix_;
    bool has_intx_;
    ivshmem::unique_fd intx_;
    std::shared_ptr<unmask_watch> unmask_;
    bool intx_masked_ = false;
    bool intx_enabled_ = true;
    bool intx_level_ = false;
    bool intx_pulse_ = false;
};

} // namespace ivshmem_device
