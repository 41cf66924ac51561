// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "../transport.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace bench {

/// Messages of one size on two descriptors that carry bytes.
class byte_stream_end {
  public:
    byte_stream_end(int out, int in) : out_{out}, in_{in} {}

    bool try_send(std::span<const std::byte> message) {
        while (sent_ < message.size()) {
            const ssize_t n = ::write(out_, message.data() + sent_, message.size() - sent_);
            if (!done_now(n, "write"))
                return false;
            sent_ += std::size_t(n);
        }
        sent_ = 0;
        return true;
    }
    bool try_receive(std::span<std::byte> room) {
        while (received_ < room.size()) {
            const ssize_t n = ::read(in_, room.data() + received_, room.size() - received_);
            if (!done_now(n, "read"))
                return false;
            if (n == 0)
                throw std::runtime_error{"the other side has closed the stream"};
            received_ += std::size_t(n);
        }
        received_ = 0;
        return true;
    }
    // With blocking descriptors these only return when they are done.
    void send(std::span<const std::byte> message) { try_send(message); }
    void receive(std::span<std::byte> room) { try_receive(room); }

  private:
    int out_;
    int in_;
    std::size_t sent_ = 0;
    std::size_t received_ = 0;
};

/// Makes a descriptor return at once if the request is to spin.
inline void set_waiting(int fd, waiting wait) {
    if (wait == waiting::spin)
        must(::fcntl(fd, F_SETFL, O_NONBLOCK), "fcntl");
}

} // namespace bench
