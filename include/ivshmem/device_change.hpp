// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>
#include <ivshmem/export.hpp>

#include <string_view>

namespace ivshmem {

/// A device that was added or removed, or whose use has changed.
struct device_change {
    enum class kind {
        added,   ///< the device is new
        removed, ///< the device is gone
        changed, ///< the device or its IOMMU group has another driver; or its nodes came or
                 ///< went, or this process got other permissions for them
    };

    kind type{};
    /// The device as it is now; if it was removed, as it was last seen.
    device_info device{};
};

/// "added", "removed" or "changed". Thread safe.
[[nodiscard]] IVSHMEM_API std::string_view to_string(device_change::kind kind) noexcept;

} // namespace ivshmem
