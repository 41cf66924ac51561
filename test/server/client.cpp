// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "client.hpp"

#include "base/text.hpp"
#include "helpers/catch.hpp"

#include <algorithm>
#include <chrono>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace host {

using ivshmem::failure;
using ivshmem::server_protocol::message;

namespace {

void wait_readable(int fd, int milliseconds) {
    pollfd ready{fd, POLLIN, 0};
    ::poll(&ready, 1, milliseconds);
}

} // namespace

raw_client::raw_client(const std::string& path)
    : socket_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    REQUIRE(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
}

message raw_client::next() {
    failure f;
    std::optional<message> m;
    const bool came = eventually([&] {
        wait_readable(socket(), 100);
        m = receiver_.next(socket(), "server", f);
        return m.has_value() || f;
    });
    INFO(f.message());
    REQUIRE(came);
    REQUIRE_FALSE(f);
    return std::move(*m);
}

bool raw_client::silent() {
    failure f;
    const bool none = !receiver_.next(socket(), "server", f).has_value();
    INFO(f.message());
    REQUIRE_FALSE(f);
    return none;
}

bool raw_client::closed() {
    return eventually([&] {
        wait_readable(socket(), 100);
        read_all();
        return ended_;
    });
}

void raw_client::read_all() {
    failure f;
    while (!ended_) {
        const auto m = receiver_.next(socket(), "server", f);
        if (m)
            take(*m);
        else if (f)
            ended_ = true;
        else
            return;
    }
}

void raw_client::take(const message& m) {
    const bool ok = [&] {
        switch (initial_++) {
        case 0:
            return m.value == 0 && !m.fd;
        case 1:
            id_ = m.value;
            return id_ >= 0 && id_ <= 65535 && !m.fd;
        case 2:
            return m.value == -1 && m.fd;
        default:
            break;
        }
        if (m.fd) {
            ++peers_[m.value];
            return !left_.contains(m.value);
        }
        left_[m.value] = true;
        return peers_.erase(m.value) == 1 && m.value != id_;
    }();
    if (!ok && wrong_.empty())
        wrong_ = ivshmem::formatted("message {}: {} {} a descriptor", initial_, m.value,
                                    m.fd ? "with" : "without");
}

template <typename Condition>
bool raw_client::reads_until(Condition&& condition) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    for (read_all(); !ended_ && !condition(); read_all()) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        wait_readable(socket(), 100);
    }
    return !ended_;
}

bool raw_client::joined(std::size_t vectors) {
    return reads_until([&] {
        const auto own = peers_.find(id_);
        return own != peers_.end() && own->second == vectors;
    });
}

bool raw_client::knows(const std::vector<std::int64_t>& peers, std::size_t vectors) {
    return reads_until([&] {
        return peers_.size() == peers.size() &&
               std::all_of(peers.begin(), peers.end(), [&](std::int64_t peer) {
                   const auto known = peers_.find(peer);
                   return known != peers_.end() && known->second == vectors;
               });
    });
}

} // namespace host
