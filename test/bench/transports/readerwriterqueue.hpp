// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "shared_memory.hpp"
#include "size_class.hpp"

#include <cstdlib>
#include <memory>

namespace bench {

/// The source of the queues' blocks during their construction.
inline std::span<std::byte> queue_arena;

/// The first bytes that are left of the arena.
inline std::span<char> bytes_of_arena(std::size_t size) {
    const std::size_t rounded = (size + apart - 1) / apart * apart;
    if (rounded > queue_arena.size())
        throw std::bad_alloc{};
    char* const first = reinterpret_cast<char*>(queue_arena.data());
    queue_arena = queue_arena.subspan(rounded);
    return {first, size};
}

} // namespace bench

// The header has no parameter for an allocator. Its only call of std::malloc() becomes one of
// std::data(); it allocates in its constructor and, as only try_enqueue() is called, never again.
#pragma push_macro("malloc")
#define malloc(size) data(::bench::bytes_of_arena(size))
#include <readerwriterqueue/readerwriterqueue.h>
#pragma pop_macro("malloc")

namespace bench {

/// moodycamel::ReaderWriterQueue, one each way, with its blocks in shared memory.
template <std::size_t Size>
class reader_writer_queue {
    using queue = moodycamel::ReaderWriterQueue<element<Size>>;

  public:
    static constexpr std::string_view name = "readerwriterqueue";

    explicit reader_writer_queue(const request&) : memory_{2 * bytes_of_one} {
        queue_arena = memory_.bytes();
        to_first_ = made();
        to_second_ = made();
    }

    class end {
      public:
        end(reader_writer_queue& made, side mine)
            : out_{mine == side::first ? *made.to_second_ : *made.to_first_},
              in_{mine == side::first ? *made.to_first_ : *made.to_second_} {}

        bool try_send(std::span<const std::byte> message) {
            return out_.try_enqueue(*reinterpret_cast<const element<Size>*>(message.data()));
        }
        bool try_receive(std::span<std::byte> room) {
            return in_.try_dequeue(*reinterpret_cast<element<Size>*>(room.data()));
        }

      private:
        queue& out_;
        queue& in_;
    };

  private:
    // Its blocks are powers of two, or of 512 elements and two more than are needed.
    static constexpr std::size_t bytes_of_one = 4 * ring_messages(Size) * Size + (64U << 10U);

    static queue* made() {
        return ::new (bytes_of_arena(sizeof(queue)).data()) queue(ring_messages(Size));
    }

    shared_memory memory_;
    queue* to_first_ = nullptr;
    queue* to_second_ = nullptr;
};

} // namespace bench
