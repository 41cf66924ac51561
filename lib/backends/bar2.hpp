// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/mapping.hpp"

#include <ivshmem/device.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ivshmem {

/// A part of BAR2 to map. Parts may overlap.
struct bar2_part {
    memory_region region;
    int protection = PROT_READ | PROT_WRITE;
};

/// Maps BAR2 in the best cache mode that this process can get on the platform.
struct mapped_bar2 {
    mapping map;
    std::vector<mapping> more; ///< the other parts, in their order
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

/// As that, several parts: each becomes a mapping of its own, because the kernel loses its record
/// of the cache mode of a mapping of device memory that is divided later (Linux,
/// arch/x86/mm/pat/memtype.c, untrack_pfn). @pre There is one part at least.
mapped_bar2 map_bar2_parts(const device_info& info, const open_options& options,
                           std::span<const bar2_part> parts, const std::optional<vfio_bar2>& vfio,
                           failure& f);

} // namespace ivshmem
