// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// "A ring": records and cursors.

#include "common/print.hpp"
#include "conformance/lane.hpp"

#include <algorithm>

namespace ivshmemctl::conformance {
namespace {

void check_records(other_side& side) {
    lane x{side};
    x.connect();
    for (std::size_t i = 0; i < 8; ++i)
        x.echo(pattern(i * 5, i)); // take() checks each record
}

void check_bytes(other_side& side) {
    lane x{side};
    x.connect();
    const auto half = std::min(side.ring_size() / 2 - 8, x.peer_limit());
    for (const std::uint32_t size : {0U, 1U, 7U, 8U, half})
        x.echo(pattern(size, size));
}

void check_parts(other_side& side) {
    lane x{side};
    x.connect();
    const auto ring = side.ring_size();
    need_limit(x, ring + ring / 2);
    for (const auto size : {ring / 4 * 3, ring + ring / 2 + 3})
        x.echo(pattern(size, size));
}

void check_pads(other_side& side) {
    lane x{side};
    x.connect();
    const auto size = side.ring_size() / 5 + 3;
    for (std::uint32_t sent = 0; sent < 3 * side.ring_size(); sent += size)
        x.echo(pattern(size, sent));
    if (x.pads() == 0)
        throw not_shown{"the peer sent no pad"};
}

void check_abandon(other_side& side) {
    lane x{side};
    x.connect();
    need_limit(x, 64);
    x.put(part, 16, 64, pattern(16));
    x.put(part, 8, 48, pattern(8));
    x.put(abandon, 0, 0);
    x.echo(pattern(24, 3));
}

void check_batch(other_side& side) {
    lane x{side};
    x.connect();
    need_limit(x, 24);
    const auto first = x.put(last, 8, 8, pattern(8, 1), false);
    x.put(last, 16, 16, pattern(16, 2));
    x.put(last, 24, 24, pattern(24, 3));
    x.ring_for_data();
    pass_a_message(side);
    x.show(first, last, 8);
    x.ring_for_data();
    for (std::size_t i = 1; i <= 3; ++i) {
        const auto answer = x.receive();
        require(answer == pattern(8 * i, i), tools::format("an answer of {} bytes", answer.size()),
                tools::format("the answer to message {} of 3", i));
    }
}

void check_next_head(other_side& side) {
    lane x{side};
    x.connect();
    const auto size = side.ring_size() / 8;
    for (std::uint32_t sent = 0; sent < 3 * side.ring_size(); sent += size) {
        x.echo(pattern(size, sent));
        const auto place = x.position() % side.ring_size();
        const auto head = x.theirs().from(in_block::ring).look(place);
        require(head == 0, tools::format("{:#x} at {} of the ring", head, place),
                "0 in the head after the last record");
        x.echo(pattern(16, sent));
    }
}

void check_long_record(other_side& side) {
    lane x{side};
    x.connect();
    const auto size = side.ring_size() - 16;
    need_limit(x, size);
    x.put(last, size, size, pattern(size));
    x.ring_for_data();
    require(x.receive() == pattern(size), "another message", "the same bytes");
}

void check_cursor(other_side& side) {
    lane x{side};
    x.connect();
    x.echo(pattern(40));
    require(side.wait([&] { return x.theirs().look(in_block::cursor) == x.tail(); }),
            tools::format("cursor {} {}", x.theirs().look(in_block::cursor), side.in_time()),
            tools::format("{}, because the ring is empty", x.tail()));
}

void check_cursor_early(other_side& side) {
    constexpr std::uint32_t before = 8, in_room = 7, more = 7;
    lane x{side};
    x.connect();
    const auto record_size = side.ring_size() / 16, size = record_size - 8;
    need_limit(x, size);
    // The answers are looked at, but no room is made: the peer stops in the middle of the ring.
    const auto await_answer = [&] {
        require(side.wait([&] { return x.take().has_value(); }), "no answer " + side.in_time(),
                "answers as long as there is room for them");
    };
    for (std::uint32_t i = 0; i < before; ++i) {
        x.send(pattern(size, i));
        await_answer();
    }
    const auto start = x.tail();
    require(side.wait([&] { return x.theirs().look(in_block::cursor) == start; }),
            tools::format("cursor {} {}", x.theirs().look(in_block::cursor), side.in_time()),
            tools::format("{}, because the ring is empty", start));
    // All at once: the peer does not find the ring empty between them.
    const auto first = x.put(last, size, size, pattern(size, 0), false);
    for (std::uint32_t i = 1; i < in_room + more; ++i)
        x.put(last, size, size, pattern(size, i));
    x.show(first, last, size);
    x.ring_for_data();
    for (std::uint32_t i = 0; i < in_room; ++i)
        await_answer();
    // What was answered was read.
    const auto read = start + in_room * record_size;
    require(side.wait([&] {
        const auto cursor = x.theirs().look(in_block::cursor);
        return x.tail() - cursor <= x.tail() - read || read - cursor < side.ring_size() / 8;
    }),
            tools::format("cursor {} after {} bytes were answered, {}",
                          x.theirs().look(in_block::cursor), read, side.in_time()),
            "less than an eighth of the ring that was read, and not published");
    x.free_room();
    for (std::uint32_t i = 0; i < more; ++i)
        require(x.receive() == pattern(size, in_room + i), "another message", "the rest");
}

void check_back_pressure(other_side& side) {
    constexpr std::uint32_t messages = 12;
    lane x{side};
    x.connect();
    const auto size = side.ring_size() / 8 - 8; // seven records fit, with a head after them
    need_limit(x, size);
    for (std::uint32_t i = 0; i < messages; ++i)
        x.send(pattern(size, i));
    const auto ring = x.theirs().from(in_block::ring);
    require(side.wait([&] { return ring.look(std::size_t{6} * (size + 8)) != 0; }),
            "fewer than 7 answers " + side.in_time(), "as many as fit into the ring");
    pass_a_message(side);
    const std::size_t place = std::size_t{7} * (size + 8);
    require(ring.look(place) == 0,
            tools::format("head {:#x} at {} of the ring", ring.look(place), place),
            "no record for which there is no room");
    for (std::uint32_t i = 0; i < messages; ++i)
        require(x.receive() == pattern(size, i), tools::format("other bytes in message {}", i),
                "nothing is overwritten before it was read");
}

void check_limit(other_side& side) {
    lane x{side, {.limit = 16}};
    x.connect();
    need_limit(x, 64);
    x.send(pattern(64));
    x.send(pattern(8));
    std::optional<record> answer;
    const bool ended = side.wait([&] {
        answer = x.take();
        return answer.has_value() || (x.theirs().look(in_block::flags) & is_finished) != 0;
    });
    require(ended, "nothing " + side.in_time(), "the next message, or the end of the lane");
    require(!answer || answer->total <= 16,
            tools::format("a message of {} bytes", answer ? answer->total : 0),
            "none longer than the limit of this side, 16");
}

constexpr rule ring[] = {
    {"R1", "head and total of each record are right", check_records},
    {"R2", "messages of 0, 1, 7 and 8 bytes, and of half of the ring, arrive as they are",
     check_bytes},
    {"R3", "no record is longer than half of the ring; longer messages are sent in parts",
     check_parts},
    {"R4", "a pad leads to the end of the ring", check_pads},
    {"R5", "the parts of a message that is abandoned are discarded", check_abandon},
    {"R6", "records that are completed by the head of the first arrive in their order",
     check_batch},
    {"R7", "the head after the last record is 0", check_next_head},
    {"R8", "a receiver takes each record that ends within the ring", check_long_record},
    {"R9", "the cursor is published when the ring is found empty", check_cursor},
    {"R12", "the cursor is published at the latest after an eighth of the ring",
     check_cursor_early},
    {"R10", "a record is only written if there is room", check_back_pressure},
    {"R11", "no message is longer than the limit of this side", check_limit},
    {"R13", "an empty message on a stream is a fault", nullptr, "the service answers messages"},
};

} // namespace

std::span<const rule> ring_rules() {
    return ring;
}

} // namespace ivshmemctl::conformance
