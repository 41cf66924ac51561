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
};

/// Judges by the facts that discover() found, and opens nothing. @par Thread Safety Safe.
[[nodiscard]] IVSHMEM_API diagnosis diagnose(const device_info& info);

} // namespace ivshmem
