// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/select_devices.hpp"

#include <ivshmem/discovery.hpp>

#include <algorithm>

namespace ivshmemctl {

std::vector<ivshmem::device_info> select_devices(const ivshmem::discovery& found,
                                                 const std::vector<std::string>& names,
                                                 const common_options& common) {
    std::vector<ivshmem::selector> selectors;
    selectors.reserve(names.size() + 1);
    for (const auto& name : names)
        selectors.push_back(ivshmem::selector::parse(name));
    if (names.empty())
        selectors.push_back(common.device);
    std::vector<ivshmem::device_info> result;
    for (const auto& selector : selectors) {
        const auto& device = selector.choose(found);
        if (std::none_of(result.begin(), result.end(),
                         [&](const auto& other) { return other.address == device.address; }))
            result.push_back(device);
    }
    return result;
}

} // namespace ivshmemctl
