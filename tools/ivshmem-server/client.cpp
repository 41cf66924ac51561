// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "client.hpp"

#include "backends/server_protocol.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace ivshmem_server {

namespace {

std::string peer_of(int socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return "unknown process";
    return ivshmem::formatted("pid {} uid {}", credentials.pid, credentials.uid);
}

} // namespace

client::client(socket_type socket, unsigned vectors, std::error_code& ec)
    : socket_{std::move(socket)}, process_{peer_of(socket_.native_handle())} {
    vectors_.reserve(vectors);
    for (unsigned i = 0; i < vectors; ++i) {
        vectors_.emplace_back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!vectors_.back()) {
            ec.assign(errno, std::system_category());
            return;
        }
    }
}

void client::queue_number(std::int64_t value) {
    output_.push_back({.value = value});
}

void client::queue_memory(const ivshmem::unique_fd& memory) {
    output_.push_back({.value = ivshmem::server_protocol::shared_memory,
                       .bare = false,
                       .fds = std::span{&memory, 1}});
}

void client::queue_peer(const client& peer) {
    output_.push_back({.value = peer.id_, .bare = false, .fds = peer.vectors_});
}

void client::queue_departure(const client& peer, bool departures) {
    const auto waiting = std::find_if(output_.begin(), output_.end(), [&](const message& m) {
        return !m.bare && m.value == peer.id_;
    });
    bool known = true;
    if (waiting != output_.end()) {
        known = waiting->begun;
        output_.erase(waiting);
    }
    if (known && departures)
        queue_number(peer.id_);
}

client::output client::flush(std::error_code& ec) {
    bool sent = false;
    last_output = output::done;
    while (!output_.empty()) {
        message& next = output_.front();
        const int fd = next.bare ? -1 : next.fds.front().get();
        if (!ivshmem::server_protocol::send(socket_.native_handle(), next.value, fd, ec)) {
            last_output = !ec                          ? output::full
                          : ec.value() == ETOOMANYREFS ? output::congested
                                                       : output::broken;
            break;
        }
        sent = true;
        if (next.bare || next.fds.size() == 1) {
            output_.pop_front();
        } else {
            next.fds = next.fds.subspan(1);
            next.begun = true;
        }
    }
    if (sent || last_output == output::done)
        progress_ = steady::now();
    return last_output;
}

bool client::has_unread() const {
    int bytes = 0;
    // const_cast: native_handle() is not const.
    return ::ioctl(const_cast<socket_type&>(socket_).native_handle(), SIOCOUTQ, &bytes) == 0 &&
           bytes > 0;
}

} // namespace ivshmem_server
