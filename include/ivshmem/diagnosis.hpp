// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>
#include <ivshmem/export.hpp>

#include <string>

namespace ivshmem {

/// Whether this process can use a device as it is, and the obstacle if not.
struct diagnosis {
    bool can_map = false;       ///< the shared memory can be mapped
    bool can_ring = false;      ///< the doorbell can be rung
    bool can_interrupt = false; ///< interrupts can arrive, on one vector or more
    /// One line: the obstacle; empty if everything works that the device supports.
    std::string problem;
    /// The command or the step that fixes it; empty if there is nothing to fix.
    std::string remedy;
    /// The driver with which most of the device works on this machine: "vfio-pci", "igb_uio",
    /// "uio_pci_generic" or "none", as `ivshmemctl bind` takes it. Empty if none delivers the
    /// interrupts of a device that has them, and for a device that cannot be used.
    std::string driver;
    /// How to get a driver that delivers interrupts, or through which a plain device can be used;
    /// empty if such a driver is bound.
    std::string driver_remedy;
    /// How to get an IOMMU group, on this machine; empty for a device that has one.
    std::string iommu_remedy;
    /// How to make VFIO accept an IOMMU that remaps no interrupts.
    std::string remapping_remedy;
    /// Why the kernel delivers no message-signalled interrupts, and the step that fixes it; both
    /// empty if it does, or if the device has none.
    std::string msi_problem;
    std::string msi_remedy;
};

/// Judges by the facts that discover() found, and opens nothing. @par Thread Safety Safe.
[[nodiscard]] IVSHMEM_API diagnosis diagnose(const device_info& info);

} // namespace ivshmem
