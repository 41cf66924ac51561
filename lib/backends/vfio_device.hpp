// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/vfio_group.hpp"
#include "base/failure.hpp"
#include "base/unique_fd.hpp"
#include "discovery/pci_config.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace ivshmem {

/// A PCI device that vfio-pci holds (linux/vfio.h): its regions, its configuration space and its
/// interrupts.
class vfio_device {
  public:
    struct region {
        std::uint64_t offset = 0; ///< in the device's descriptor
        std::uint64_t size = 0;   ///< bytes; 0 if the device has no such region
        bool can_mmap = false;
    };

    vfio_device(std::shared_ptr<vfio_group> group, const std::string& name, failure& f);
    /// Continues with a device that another process had open.
    vfio_device(std::shared_ptr<vfio_group> group, const std::string& name, unique_fd open);
    /// Opens a device that ivshmem-share shares, or continues with it.
    /// @param kept As an earlier process left it; empty if there was none. @return Nothing: see f.
    static std::optional<vfio_device> open_to_share(const device_info& info,
                                                    const std::filesystem::path& root,
                                                    vfio_descriptors kept, failure& f);
    vfio_device(vfio_device&&) noexcept = default;
    vfio_device& operator=(vfio_device&&) = delete;
    ~vfio_device();

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    /// Returns the descriptors that keep the device open: container, group and device.
    [[nodiscard]] std::array<int, 3> descriptors() const noexcept {
        return {group_->container_fd(), group_->group_fd(), fd()};
    }
    /// @param index VFIO_PCI_BAR0_REGION_INDEX, ...
    [[nodiscard]] region region_info(std::uint32_t index, failure& f) const;
    /// @param index VFIO_PCI_MSIX_IRQ_INDEX, ...
    /// @return The number of interrupts of the index.
    [[nodiscard]] std::uint32_t irq_count(std::uint32_t index, failure& f) const;
    /// Reads the configuration space.
    [[nodiscard]] pci_config read_config(failure& f) const;
    /// Writes one byte of the configuration space.
    void write_config(std::uint8_t offset, std::uint8_t value, failure& f) const;
    /// Enables memory and bus mastering in the command register (PCI Local Bus Specification 3.0,
    /// section 6.2.2): vfio-pci opens a device with bus mastering off, and an MSI-X message is a
    /// write by the device.
    void enable_bus_master(failure& f) const;
    /// Makes the kernel signal one eventfd for each interrupt. Sets the whole range at once,
    /// because kernels before 6.5 cannot add a vector later.
    void signal_eventfds(std::uint32_t index, std::span<const int> eventfds, failure& f) const;
    /// Makes the kernel signal another eventfd for one of the interrupts that signal_eventfds() has
    /// set up.
    void signal_eventfd(std::uint32_t index, std::uint32_t interrupt, int eventfd,
                        failure& f) const;
    /// Lets INTx arrive again, which the kernel masks before it signals the eventfd
    /// (VFIO_IRQ_INFO_AUTOMASKED). If the device still raises the line, it arrives at once.
    void unmask_intx(failure& f) const;

  private:
    void signal(std::uint32_t index, std::uint32_t first, std::span<const int> eventfds,
                failure& f) const;

    std::shared_ptr<vfio_group> group_; ///< must outlive the device's descriptor
    std::string name_;
    unique_fd fd_;
};

} // namespace ivshmem
