// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <optional>
#include <string_view>

namespace ivshmem {

/// The ways to reach a device.
enum class backend_kind {
    vfio,   ///< a PCI device bound to vfio-pci
    uio,    ///< a PCI device bound to a UIO driver, or to none
    server, ///< the UNIX socket of an ivshmem server: this process is a peer of its own
    shared, ///< a device that ivshmem-share has open, for several programs of this machine
};

/// "vfio", "uio", "server" or "shared". Thread safe.
[[nodiscard]] IVSHMEM_API std::string_view to_string(backend_kind kind) noexcept;

/// The inverse of to_string(); nothing for any other text. Thread safe.
[[nodiscard]] IVSHMEM_API std::optional<backend_kind> parse_backend(std::string_view name) noexcept;

} // namespace ivshmem
