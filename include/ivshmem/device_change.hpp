// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>
#include <ivshmem/export.hpp>

#include <string_view>

namespace ivshmem {

/// A device that came, went, or can be used otherwise than before.
struct device_change {
    enum class kind {
        added,   ///< it is there, and was not before
        removed, ///< it is not there any more
        changed, ///< it, or another device of its IOMMU group, has another driver; or its nodes
                 ///< came or went, or this process may do otherwise with them
    };

    kind type{};
    /// The device as it is now; one that was removed as it was last seen.
    device_info device{};
};

/// "added", "removed" or "changed". Thread safe.
[[nodiscard]] IVSHMEM_API std::string_view to_string(device_change::kind kind) noexcept;

} // namespace ivshmem
