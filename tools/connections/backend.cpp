// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/backend.hpp"

#include <utility>

namespace connections {

void backend::join(const std::string& of, const carrier_ptr& from, std::uint32_t connection,
                   carrier::on_end ended) {
    const std::uint32_t slot = from->peer_slot();
    if (under_way_[slot] >= most_)
        return from->refuse(connection, reason::too_many);
    ++under_way_[slot];
    at_.connect(on_, [this, of, from, connection, slot,
                      ended = std::move(ended)](int socket, std::error_code ec) mutable {
        --under_way_[slot];
        if (ec) {
            log_(of + ": " + at_.text() + ": " + explain_connect_error(ec));
            return from->refuse(connection, reason::unreachable);
        }
        from->join(connection, end_point::of_socket(on_, socket), std::move(ended));
    });
}

} // namespace connections
