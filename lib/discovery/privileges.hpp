// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

namespace ivshmem {

/// What the kernel asks of a process beyond the permissions of the nodes.
struct privileges {
    bool raw_io = false; ///< CAP_SYS_RAWIO: to open a no-IOMMU group
    /// CAP_SYS_ADMIN, and write access to sysfs: to switch memory decoding on (Linux,
    /// drivers/pci/pci-sysfs.c, enable_store).
    bool admin = false;
};

/// Those of the calling thread.
[[nodiscard]] privileges own_privileges() noexcept;

} // namespace ivshmem
