// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include <ivshmem/device_info.hpp>

namespace ivshmem {

std::optional<backend_kind> backend_for(const device_info& info) noexcept {
    if (info.generation != device_generation::v1)
        return std::nullopt;
    if (info.driver == "vfio-pci")
        return backend_kind::vfio;
    if (info.driver.empty() || info.driver == "uio_pci_generic" || info.driver == "igb_uio")
        return backend_kind::uio;
    return std::nullopt;
}

} // namespace ivshmem
