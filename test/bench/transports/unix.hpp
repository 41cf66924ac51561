// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "../transport.hpp"

#include <algorithm>
#include <string>

#include <sys/socket.h>

namespace bench {

/// A pair of SOCK_SEQPACKET sockets of the family AF_UNIX.
class unix_seqpacket {
  public:
    static constexpr std::string_view name = "unix";

    explicit unix_seqpacket(const request& asked) {
        must(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets_), "socketpair");
        for (const int socket : sockets_)
            enlarge(socket, asked.size);
    }

    class end {
      public:
        end(unix_seqpacket& made, side mine)
            : socket_{made.sockets_[mine == side::first ? 0 : 1]} {}

        bool try_send(std::span<const std::byte> message) {
            return done_now(::send(socket_, message.data(), message.size(), MSG_DONTWAIT), "send");
        }
        bool try_receive(std::span<std::byte> room) {
            return done_now(::recv(socket_, room.data(), room.size(), MSG_DONTWAIT), "recv");
        }
        void send(std::span<const std::byte> message) {
            must(::send(socket_, message.data(), message.size(), 0), "send");
        }
        void receive(std::span<std::byte> room) {
            must(::recv(socket_, room.data(), room.size(), 0), "recv");
        }

      private:
        int socket_;
    };

  private:
    /// Makes room for some messages; root may exceed net.core.wmem_max, others may not.
    static void enlarge(int socket, std::size_t size) {
        const int wanted = int(std::max(ring_bytes, 4 * size));
        if (::setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) < 0)
            must(::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted), "SO_SNDBUF");
        int given = 0;
        socklen_t length = sizeof given;
        must(::getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &given, &length), "SO_SNDBUF");
        // The buffer must hold a message and the kernel's record of it.
        if (std::size_t(given) < size + 4096)
            throw unsupported{"net.core.wmem_max allows a buffer of " + std::to_string(given) +
                              " bytes"};
    }

    int sockets_[2] = {-1, -1};
};

} // namespace bench
