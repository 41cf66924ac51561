// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "shared_memory.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace bench {

/// The limit of a throughput with one copy in and one copy out: blocks that are filled and
/// emptied in turns, each with a flag of its own and nothing else. Small messages have a block
/// each; large ones go through several, so that both copies run at once and stay in the cache.
class memcpy_blocks {
    static constexpr std::size_t largest = std::size_t{128} << 10U;
    static constexpr std::size_t line = 64;

    struct alignas(line) header {
        std::atomic<std::uint64_t> full{0};
        std::byte small[line - sizeof(std::uint64_t)];
    };
    static_assert(sizeof(header) == line);

  public:
    static constexpr std::string_view name = "memcpy";

    explicit memcpy_blocks(const request& asked)
        : block_{std::min(asked.size, largest)}, count_{std::min(ring_messages(block_), most)},
          stride_{block_ <= sizeof(header::small) ? line
                                                  : line + (block_ + line - 1) / line * line},
          memory_{2 * count_ * stride_} {
        for (std::size_t i = 0; i < 2 * count_; ++i)
            ::new (memory_.bytes().data() + i * stride_) header;
    }

    class end {
      public:
        end(memcpy_blocks& made, side mine)
            : block_{made.block_}, stride_{made.stride_}, data_at_{stride_ == line
                                                                       ? offsetof(header, small)
                                                                       : line},
              out_{made.direction(mine == side::first)}, in_{made.direction(mine != side::first)} {}

        bool try_send(std::span<const std::byte> message) {
            while (sent_ < message.size()) {
                header& head = out_.here();
                if (head.full.load(std::memory_order_acquire) != 0)
                    return false;
                const std::size_t size = std::min(block_, message.size() - sent_);
                std::memcpy(out_.at + data_at_, message.data() + sent_, size);
                head.full.store(1, std::memory_order_release);
                out_.advance(stride_);
                sent_ += size;
            }
            sent_ = 0;
            return true;
        }
        bool try_receive(std::span<std::byte> room) {
            while (received_ < room.size()) {
                header& head = in_.here();
                if (head.full.load(std::memory_order_acquire) == 0)
                    return false;
                const std::size_t size = std::min(block_, room.size() - received_);
                std::memcpy(room.data() + received_, in_.at + data_at_, size);
                head.full.store(0, std::memory_order_release);
                in_.advance(stride_);
                received_ += size;
            }
            received_ = 0;
            return true;
        }

      private:
        friend memcpy_blocks;
        struct cursor {
            std::byte* first;
            std::byte* last;
            std::byte* at = first;

            [[nodiscard]] header& here() const { return *reinterpret_cast<header*>(at); }
            void advance(std::size_t stride) {
                at += stride;
                if (at == last)
                    at = first;
            }
        };

        std::size_t block_;
        std::size_t stride_;
        std::size_t data_at_;
        cursor out_;
        cursor in_;
        std::size_t sent_ = 0;
        std::size_t received_ = 0;
    };

  private:
    static constexpr std::size_t most = ring_bytes / line;

    [[nodiscard]] end::cursor direction(bool to_second) const {
        std::byte* const first = memory_.bytes().data() + (to_second ? count_ * stride_ : 0);
        return {first, first + count_ * stride_};
    }

    std::size_t block_;
    std::size_t count_;
    std::size_t stride_;
    shared_memory memory_;
};

} // namespace bench
