// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include <ivshmem/event.hpp>

namespace ivshmem {

std::string_view to_string(event::kind kind) noexcept {
    switch (kind) {
    case event::kind::peer_joined:
        return "peer joined";
    case event::kind::peer_left:
        return "peer left";
    case event::kind::server_gone:
        return "server gone";
    case event::kind::removal_requested:
        return "removal requested";
    case event::kind::device_error:
        return "device error";
    }
    return "unknown";
}

} // namespace ivshmem
