// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "client.hpp"

#include "backends/server_protocol.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace ivshmem_server {

client::client(socket_type socket)
    : next_share{socket.get_executor()}, socket_{std::move(socket)},
      process_{service::peer_process::of(socket_.native_handle())} {}

void client::queue_number(std::int64_t value) {
    output_.push_back({.value = value});
}

void client::queue_memory(const ivshmem::unique_fd& memory) {
    output_.push_back({.value = ivshmem::server_protocol::shared_memory,
                       .bare = false,
                       .fds = std::span{&memory, 1}});
}

bool client::queue_peer(const place& peer) {
    if (known_.contains(peer.id))
        return false;
    known_.insert(peer.id);
    unsent_.insert(peer.id);
    output_.push_back(
        {.value = peer.id, .bare = false, .fds = *peer.vectors, .owner = peer.vectors});
    return true;
}

bool client::queue_departure(std::uint16_t peer, bool departures) {
    if (!known_.contains(peer))
        return false;
    bool told = true;
    if (unsent_.contains(peer)) {
        // From the end: a peer that stays for a short time has joined a short time ago.
        const auto after = std::find_if(output_.rbegin(), output_.rend(), [&](const message& m) {
                               return !m.bare && m.value == peer;
                           }).base();
        told = std::prev(after)->begun;
        output_.erase(std::prev(after));
        unsent_.erase(peer);
    }
    if (!told)
        known_.erase(peer);
    if (told && departures)
        queue_number(peer);
    return !told;
}

client::output client::flush(std::size_t most, std::error_code& ec) {
    bool sent = false;
    last_output = output::done;
    while (!output_.empty()) {
        message& next = output_.front();
        if (!next.bare && most == 0) {
            last_output = output::congested;
            break;
        }
        const int fd = next.bare ? -1 : next.fds.front().get();
        if (!ivshmem::server_protocol::send(socket_.native_handle(), next.value, fd, ec)) {
            last_output = !ec                          ? output::full
                          : ec.value() == ETOOMANYREFS ? output::congested
                                                       : output::broken;
            break;
        }
        sent = true;
        if (!next.bare)
            --most;
        if (next.bare || next.fds.size() == 1) {
            if (!next.bare && next.value >= 0)
                unsent_.erase(static_cast<std::uint16_t>(next.value));
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

void client::measure_unread() {
    // Linux counts at least this for a message, with its own data.
    constexpr std::size_t least = 512;
    int bytes = 0;
    if (::ioctl(socket_.native_handle(), SIOCOUTQ, &bytes) != 0)
        bytes = 0;
    unread_ = (static_cast<std::size_t>(bytes) + least - 1) / least;
    if (unread_ == 0)
        caught_up_ = steady::now();
}

} // namespace ivshmem_server
