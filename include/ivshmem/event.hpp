// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <cstdint>
#include <string_view>

namespace ivshmem {

/// Something that happened to the device or to its peers; not an interrupt.
struct event {
    enum class kind {
        peer_joined,       ///< server: a peer connected and has all of its vectors
        peer_left,         ///< server: a peer disconnected
        server_gone,       ///< server: no peer will join or leave any more; the memory and the
                           ///< doorbells of the peers known so far go on working. shared:
                           ///< ivshmem-share ended, and no interrupt arrives any more
        removal_requested, ///< vfio, shared: the device is going away; close it, so that it can
        device_error,      ///< vfio, shared: the device reported an unrecoverable error
        state_changed,     ///< ivshmem-v2: device::peer_state() of the peer has changed, once or
                           ///< several times
    };

    kind type{};
    std::uint16_t peer = 0; ///< the peer's id; 0 if the event is not about a peer

    bool operator==(const event&) const = default;
};

/// "peer joined", "peer left", "server gone", "removal requested", "device error" or "state
/// changed".
/// Thread safe.
[[nodiscard]] IVSHMEM_API std::string_view to_string(event::kind kind) noexcept;

} // namespace ivshmem
