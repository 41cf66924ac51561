// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

namespace ivshmem {

/// The privileges that the kernel requires of a process beyond the permissions of the nodes.
struct privileges {
    bool raw_io = false; ///< CAP_SYS_RAWIO: needed to open a no-IOMMU group
    /// CAP_SYS_ADMIN, and write access to sysfs: needed to enable memory decoding (Linux,
    /// drivers/pci/pci-sysfs.c, enable_store).
    bool admin = false;
};

/// Returns the privileges of the calling thread.
[[nodiscard]] privileges own_privileges() noexcept;

} // namespace ivshmem
