// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "open_device.hpp"

namespace ivshmemctl {

ivshmem::device open_device(const common_options& common,
                            std::optional<ivshmem::cache_mode> cache) {
    ivshmem::open_options how;
    how.root = common.sysroot;
    how.cache = cache;
    return ivshmem::device::open(common.device, how);
}

std::string name_of(const ivshmem::device& device) {
    return device.info() != nullptr ? to_string(device.info()->address) : device.description();
}

std::string own_peer(const ivshmem::device& device) {
    return device.capabilities().ring ? "peer " + std::to_string(device.id())
                                      : std::string{"a peer without an id"};
}

} // namespace ivshmemctl
