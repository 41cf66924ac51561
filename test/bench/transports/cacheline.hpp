// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "shared_memory.hpp"

#include <atomic>
#include <cstring>

namespace bench {

/// The limit of a round trip between two processors: a cache line each way, which holds the
/// message.
class cacheline {
    struct lines {
        alignas(apart) std::atomic<std::uint64_t> to_first{~std::uint64_t{0}};
        alignas(apart) std::atomic<std::uint64_t> to_second{~std::uint64_t{0}};
    };

  public:
    static constexpr std::string_view name = "cacheline";

    explicit cacheline(const request& asked) {
        if (asked.what != measured::roundtrip || asked.size != sizeof(std::uint64_t))
            throw unsupported{"only round trips of 8 bytes"};
    }

    class end {
      public:
        end(cacheline& made, side mine)
            : out_{mine == side::first ? made.lines_->to_second : made.lines_->to_first},
              in_{mine == side::first ? made.lines_->to_first : made.lines_->to_second} {}

        bool try_send(std::span<const std::byte> message) {
            std::uint64_t word = 0;
            std::memcpy(&word, message.data(), sizeof word);
            out_.store(word, std::memory_order_release);
            return true;
        }
        bool try_receive(std::span<std::byte> room) {
            const std::uint64_t word = in_.load(std::memory_order_acquire);
            if (word == last_)
                return false;
            last_ = word;
            std::memcpy(room.data(), &word, sizeof word);
            return true;
        }

      private:
        std::atomic<std::uint64_t>& out_;
        std::atomic<std::uint64_t>& in_;
        std::uint64_t last_ = ~std::uint64_t{0};
    };

  private:
    shared_object<lines> lines_;
};

} // namespace bench
