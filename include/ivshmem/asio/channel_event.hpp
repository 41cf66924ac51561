// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <cstdint>

namespace ivshmem::asio {

/// A change of a channel's state.
struct channel_event {
    enum class kind {
        connected, ///< messages flow
        closed,    ///< the peer sends nothing more; messages that it sent may still be received
        reset,     ///< the peer started again: reopen()
        poisoned,  ///< the peer broke the rules of the layout: violation() says which
        rejected,  ///< the peer says that this side broke them
        peer_lost, ///< the peer ended without closing, or does not run any more; messages that it
                   ///< sent may still be received. reopen(), to connect when it returns
    };

    kind type{};
    std::uint32_t incarnation = 0; ///< the peer's, in the connection that the event is about

    bool operator==(const channel_event&) const = default;
};

} // namespace ivshmem::asio
