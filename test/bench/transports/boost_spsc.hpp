// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "shared_memory.hpp"
#include "size_class.hpp"

#include <boost/lockfree/spsc_queue.hpp>

namespace bench {

/// boost::lockfree::spsc_queue, one each way, with its elements inside.
template <std::size_t Size>
class boost_spsc {
    using queue =
        boost::lockfree::spsc_queue<element<Size>, boost::lockfree::capacity<ring_messages(Size)>>;
    struct queues {
        alignas(apart) queue to_first;
        alignas(apart) queue to_second;
    };

  public:
    static constexpr std::string_view name = "boost-spsc";

    explicit boost_spsc(const request&) {}

    class end {
      public:
        end(boost_spsc& made, side mine)
            : out_{mine == side::first ? made.queues_->to_second : made.queues_->to_first},
              in_{mine == side::first ? made.queues_->to_first : made.queues_->to_second} {}

        bool try_send(std::span<const std::byte> message) {
            return out_.push(*reinterpret_cast<const element<Size>*>(message.data()));
        }
        bool try_receive(std::span<std::byte> room) {
            return in_.pop(*reinterpret_cast<element<Size>*>(room.data()));
        }

      private:
        queue& out_;
        queue& in_;
    };

  private:
    shared_object<queues> queues_;
};

} // namespace bench
