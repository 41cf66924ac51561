// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include <ivshmem/backend_kind.hpp>

namespace ivshmem {

std::string_view to_string(backend_kind kind) noexcept {
    switch (kind) {
    case backend_kind::vfio:
        return "vfio";
    case backend_kind::uio:
        return "uio";
    case backend_kind::server:
        return "server";
    }
    return "unknown";
}

std::optional<backend_kind> parse_backend(std::string_view name) noexcept {
    for (const auto kind : {backend_kind::vfio, backend_kind::uio, backend_kind::server})
        if (name == to_string(kind))
            return kind;
    return std::nullopt;
}

} // namespace ivshmem
