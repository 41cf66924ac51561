// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/mapping.hpp"

#include <ivshmem/device.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace ivshmem {

/// Maps BAR2 in the best cache mode that this process can get on the platform.
struct mapped_bar2 {
    mapping map;
    cache_mode mode = cache_mode::uncached;
    std::string reason;
};

/// VFIO's mapping of BAR2. It is the last resort, because it is uncached, and because after it BAR2
/// cannot be mapped in another way while the device is open.
struct vfio_bar2 {
    int fd = -1;
    std::uint64_t offset = 0;
    bool can_mmap = false;
};

/// Maps BAR2: write-back through /dev/mem, else write-combining through resource2_wc, else uncached
/// through resource2, else through VFIO. If options.cache is set, maps it in that mode or fails.
mapped_bar2 map_bar2(const device_info& info, const open_options& options,
                     const std::optional<vfio_bar2>& vfio, failure& f);

} // namespace ivshmem
