// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "../transport.hpp"

#include <boost/interprocess/ipc/message_queue.hpp>

#include <algorithm>
#include <string>

#include <unistd.h>

namespace bench {

/// boost::interprocess::message_queue, one each way.
class interprocess_mq {
    using queue = boost::interprocess::message_queue;

    /// A queue whose name is gone at once: the processes inherit it.
    class unnamed {
      public:
        unnamed(const char* direction, std::size_t size)
            : title_{"bench-transports-" + std::to_string(::getpid()) + "-" + direction},
              // It keeps an index of its messages, which must be bounded.
              queue_{boost::interprocess::create_only, title_.c_str(),
                     std::min<std::size_t>(ring_messages(size), 4096), size} {
            queue::remove(title_.c_str());
        }
        queue& get() { return queue_; }

      private:
        std::string title_;
        queue queue_;
    };

  public:
    static constexpr std::string_view name = "interprocess-mq";

    explicit interprocess_mq(const request& asked)
        : to_first_{"first", asked.size}, to_second_{"second", asked.size} {}

    class end {
      public:
        end(interprocess_mq& made, side mine)
            : out_{mine == side::first ? made.to_second_.get() : made.to_first_.get()},
              in_{mine == side::first ? made.to_first_.get() : made.to_second_.get()} {}

        bool try_send(std::span<const std::byte> message) {
            return out_.try_send(message.data(), message.size(), 0);
        }
        bool try_receive(std::span<std::byte> room) {
            queue::size_type size = 0;
            unsigned priority = 0;
            return in_.try_receive(room.data(), room.size(), size, priority);
        }
        void send(std::span<const std::byte> message) {
            out_.send(message.data(), message.size(), 0);
        }
        void receive(std::span<std::byte> room) {
            queue::size_type size = 0;
            unsigned priority = 0;
            in_.receive(room.data(), room.size(), size, priority);
        }

      private:
        queue& out_;
        queue& in_;
    };

  private:
    unnamed to_first_;
    unnamed to_second_;
};

} // namespace bench
