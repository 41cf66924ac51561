// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include <ivshmem/device_info.hpp>

namespace ivshmem {

std::optional<backend_kind> backend_for(const device_info& info) noexcept {
    if (info.driver == "vfio-pci")
        return backend_kind::vfio;
    // The sections of v2 need a map each, which only drivers for such devices make.
    if (info.generation == device_generation::v2)
        return info.uio_node && info.driver != "uio_pci_generic" && info.driver != "igb_uio"
                   ? std::optional{backend_kind::uio}
                   : std::nullopt;
    if (info.driver.empty() || info.driver == "uio_pci_generic" || info.driver == "igb_uio")
        return backend_kind::uio;
    return std::nullopt;
}

} // namespace ivshmem
