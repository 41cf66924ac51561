// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/pci_command.hpp"
#include "backends/registers.hpp"
#include "base/failure.hpp"
#include "base/unique_fd.hpp"
#include "discovery/sysfs.hpp"

#include <ivshmem/device_info.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace ivshmem {

/// The node of a UIO driver, and the interrupts of the device that arrive through it:
/// - igb_uio: vector 0, as the node's count;
/// - ACRN's uio_pci_generic: each vector, as an eventfd that an ioctl binds to it;
/// - revision 0 without MSI-X: INTx, as the node's count. The driver masks it when it arrives.
///
/// One program at a time has eventfds or INTx: a second one would take the interrupts of the first.
/// A lock of the node (flock) decides.
class uio_interrupts {
  public:
    /// @param info Must outlive this object; has a uio_node.
    /// @param device The device's folder in sysfs.
    uio_interrupts(const device_info& info, const sysfs_dir& device);
    uio_interrupts(const uio_interrupts&) = delete;
    uio_interrupts& operator=(const uio_interrupts&) = delete;
    ~uio_interrupts();

    void open_node(failure& f);
    /// Finds out which interrupts there are, and enables them. Nothing for a plain device.
    void set_up(const registers& regs, failure& f);

    [[nodiscard]] int node() const noexcept { return node_.get(); }
    /// Returns the number of vectors that can be waited for.
    [[nodiscard]] std::uint32_t count() const noexcept;
    /// Returns why there are fewer than the driver could deliver; empty if that is all.
    [[nodiscard]] const std::string& obstacle() const noexcept { return obstacle_; }

    /// @pre vector < count()
    [[nodiscard]] int rings_fd(std::uint32_t vector) const;
    /// @pre vector < count()
    std::uint64_t take(std::uint32_t vector, failure& f);

  private:
    enum class kind { none, node, intx, eventfds };

    [[nodiscard]] bool has_msix_ioctl() const;
    [[nodiscard]] bool node_has_interrupt() const;
    [[nodiscard]] bool is_intx() const;
    [[nodiscard]] bool lock();
    void bind_eventfds(failure& f);
    void enable_intx();
    /// Lets the node's interrupt arrive again. @return 0 or errno
    [[nodiscard]] int unmask() const;
    std::uint64_t take_count(failure& f);

    const device_info& info_;
    sysfs_dir device_;
    pci_command command_;
    pid_t opener_;
    unique_fd node_; ///< /dev/uioN
    kind kind_ = kind::none;
    std::string obstacle_;
    registers registers_;
    std::atomic<std::uint32_t> last_count_ = 0;
    std::vector<unique_fd> eventfds_;
    bool restores_master_ = false; ///< another program has the eventfds, and needs bus mastering
};

} // namespace ivshmem
