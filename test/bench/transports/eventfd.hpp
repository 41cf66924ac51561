// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "../transport.hpp"

#include <cstring>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace bench {

/// The limit of a round trip between two processes that sleep: an eventfd each way, whose counter
/// holds the message. Awaited with epoll, as an event loop does, or with a read that blocks.
template <bool Epoll>
class eventfd_pair {
  public:
    static constexpr std::string_view name = Epoll ? "eventfd" : "eventfd-read";

    explicit eventfd_pair(const request& asked) {
        if (asked.what != measured::roundtrip || asked.size != sizeof(std::uint64_t))
            throw unsupported{"only round trips of 8 bytes"};
        to_first_ = must(::eventfd(0, Epoll ? EFD_NONBLOCK : 0), "eventfd");
        to_second_ = must(::eventfd(0, Epoll ? EFD_NONBLOCK : 0), "eventfd");
    }

    class end {
      public:
        end(eventfd_pair& made, side mine)
            : out_{mine == side::first ? made.to_second_ : made.to_first_},
              in_{mine == side::first ? made.to_first_ : made.to_second_} {
            if constexpr (Epoll) {
                poll_ = must(::epoll_create1(0), "epoll_create1");
                epoll_event wanted{};
                wanted.events = EPOLLIN;
                must(::epoll_ctl(poll_, EPOLL_CTL_ADD, in_, &wanted), "epoll_ctl");
            }
        }

        void send(std::span<const std::byte> message) {
            // The counter takes all numbers but zero and the largest.
            std::uint64_t word = 0;
            std::memcpy(&word, message.data(), sizeof word);
            ++word;
            must(::write(out_, &word, sizeof word), "write to an eventfd");
        }
        void receive(std::span<std::byte> room) {
            if constexpr (Epoll) {
                epoll_event ready{};
                must(::epoll_wait(poll_, &ready, 1, -1), "epoll_wait");
            }
            std::uint64_t word = 0;
            must(::read(in_, &word, sizeof word), "read of an eventfd");
            --word;
            std::memcpy(room.data(), &word, sizeof word);
        }

      private:
        int out_;
        int in_;
        int poll_ = -1;
    };

  private:
    int to_first_ = -1;
    int to_second_ = -1;
};

} // namespace bench
