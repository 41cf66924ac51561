// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "../transport.hpp"

#include <algorithm>
#include <string>

#include <unistd.h>
#include <zmq.h>

namespace bench {

/// A pair of ZeroMQ's PAIR sockets over its transport ipc, on an abstract address.
class zmq_pair {
  public:
    static constexpr std::string_view name = "zmq";

    explicit zmq_pair(const request& asked)
        : address_{"ipc://@bench-transports-" + std::to_string(::getpid())},
          // Its own limit of messages is 1000; the number of large ones is bounded by their size.
          limit_{int(std::clamp<std::size_t>(4 * ring_messages(asked.size), 16, 1000))} {}

    class end {
      public:
        end(zmq_pair& made, side mine)
            : context_{::zmq_ctx_new()}, socket_{::zmq_socket(context_, ZMQ_PAIR)} {
            if (socket_ == nullptr)
                throw failed("zmq_socket");
            check(::zmq_setsockopt(socket_, ZMQ_SNDHWM, &made.limit_, sizeof made.limit_));
            check(::zmq_setsockopt(socket_, ZMQ_RCVHWM, &made.limit_, sizeof made.limit_));
            const char* const address = made.address_.c_str();
            check(mine == side::first ? ::zmq_bind(socket_, address)
                                      : ::zmq_connect(socket_, address));
        }
        end(const end&) = delete;
        end& operator=(const end&) = delete;
        ~end() {
            ::zmq_close(socket_);
            ::zmq_ctx_term(context_);
        }

        bool try_send(std::span<const std::byte> message) {
            return done(::zmq_send(socket_, message.data(), message.size(), ZMQ_DONTWAIT));
        }
        bool try_receive(std::span<std::byte> room) {
            return done(::zmq_recv(socket_, room.data(), room.size(), ZMQ_DONTWAIT));
        }
        void send(std::span<const std::byte> message) {
            check(::zmq_send(socket_, message.data(), message.size(), 0));
        }
        void receive(std::span<std::byte> room) {
            check(::zmq_recv(socket_, room.data(), room.size(), 0));
        }

      private:
        static std::runtime_error failed(const char* what) {
            return std::runtime_error{std::string{what} + ": " + ::zmq_strerror(::zmq_errno())};
        }
        static void check(int got) {
            if (got < 0)
                throw failed("ZeroMQ");
        }
        static bool done(int got) {
            if (got < 0 && ::zmq_errno() == EAGAIN)
                return false;
            check(got);
            return true;
        }

        void* context_;
        void* socket_;
    };

  private:
    std::string address_;
    int limit_;
};

} // namespace bench
