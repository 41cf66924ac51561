// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "byte_stream.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace bench {

/// A TCP connection over the loopback interface, without Nagle's delay.
class tcp_loopback {
  public:
    static constexpr std::string_view name = "tcp";

    explicit tcp_loopback(const request& asked) {
        const int listener = must(::socket(AF_INET, SOCK_STREAM, 0), "socket");
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        must(::bind(listener, generic, sizeof address), "bind");
        must(::listen(listener, 1), "listen");
        socklen_t length = sizeof address;
        must(::getsockname(listener, generic, &length), "getsockname");
        sockets_[0] = must(::socket(AF_INET, SOCK_STREAM, 0), "socket");
        must(::connect(sockets_[0], generic, sizeof address), "connect");
        sockets_[1] = must(::accept(listener, nullptr, nullptr), "accept");
        ::close(listener);
        for (const int socket : sockets_) {
            const int on = 1;
            must(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
            set_waiting(socket, asked.wait);
        }
    }

    class end : public byte_stream_end {
      public:
        end(tcp_loopback& made, side mine) : byte_stream_end{made.of(mine), made.of(mine)} {}
    };

  private:
    [[nodiscard]] int of(side mine) const { return sockets_[mine == side::first ? 0 : 1]; }

    int sockets_[2] = {-1, -1};
};

} // namespace bench
