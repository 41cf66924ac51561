// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Rings whose peer breaks the rules: each fault of the layout's table "Faults".

#include "helpers/catch.hpp"
#include "ring_fixture.hpp"

#include <random>

using namespace test;
using ivshmem::layout_violation;
using layout::kind;

namespace {

constexpr std::uint32_t limit = 300;

std::uint32_t head(kind k, std::uint32_t length) {
    return layout::record_valid | static_cast<std::uint32_t>(k) << layout::record_kind_shift |
           length;
}

/// A receiver at a position, and a place in the ring for the words of a record.
struct faulty_ring {
    explicit faulty_ring(std::uint32_t at = 0) : pair{1024, at, limit}, place{at} {}

    void write(std::uint32_t first, std::uint32_t second) {
        pair.sender.at().store(layout::block::ring + place, first);
        if (place + 4 < pair.size)
            pair.sender.at().store(layout::block::ring + place + 4, second);
    }
    /// Returns the receiver's judgement of a record. A fault must be permanent.
    layout_violation about(std::uint32_t first, std::uint32_t second) {
        write(first, second);
        const bool in_message = pair.in.in_message();
        const auto at_once = pair.receive_at_once();
        const bool taken = pair.in.front(pair.record);
        CHECK(taken == (pair.in.fault() == layout_violation::none));
        CHECK(at_once.has_value() == (taken && !in_message && pair.record.kind == kind::last));
        if (at_once)
            CHECK(at_once->size() == pair.record.length);
        if (!taken) {
            write(head(kind::last, 0), 0);
            CHECK_FALSE(pair.in.front(pair.record));
            CHECK(pair.receiver.at().load(layout::block::cursor) == pair.in.cursor());
        }
        return pair.in.fault();
    }
    /// Receives a part of a message of which `rest` more bytes must follow.
    void begin_message(std::uint32_t rest) {
        write(head(kind::part, 8), 8 + rest);
        REQUIRE(pair.in.front(pair.record));
        pair.in.pop(pair.record);
        place += 16;
    }

    ring_pair pair;
    std::uint32_t place;
};

layout_violation about(std::uint32_t first, std::uint32_t second, std::uint32_t place = 0) {
    return faulty_ring{place}.about(first, second);
}

layout_violation in_message(std::uint32_t rest, std::uint32_t first, std::uint32_t second) {
    faulty_ring receiver;
    receiver.begin_message(rest);
    return receiver.about(first, second);
}

} // namespace

TEST_CASE("reason 1: a head without its mark") {
    for (const std::uint32_t word : {1U, 8U, 0x20000000U, 0x60000000U, 0x7fffffffU})
        CHECK(about(word, word) == layout_violation::record);
}

TEST_CASE("reason 1: a record that leaves the ring") {
    for (std::uint32_t place = 0; place < 1024; place += 8) {
        const std::uint32_t room = 1024 - place - layout::record_header;
        for (const auto k : {kind::last, kind::part, kind::abandon}) {
            CHECK(about(head(k, room + 1), room + 1, place) == layout_violation::record);
            CHECK(about(head(k, room + 8), room + 9, place) == layout_violation::record);
            CHECK(about(head(k, 0x1fffffff), 0x1fffffff, place) == layout_violation::record);
        }
        CHECK(about(head(kind::pad, room + 1), 0, place) == layout_violation::record);
        const bool allowed = room <= limit;
        CHECK(about(head(kind::last, room), room, place) ==
              (allowed ? layout_violation::none : layout_violation::limit));
    }
}

TEST_CASE("reason 2: a total that differs from the length") {
    for (const std::uint32_t total : {0U, 9U, 11U, 0x8000000aU, ~0U})
        CHECK(about(head(kind::last, 10), total) == layout_violation::total);
    CHECK(about(head(kind::last, 0), 1) == layout_violation::total);
    for (const std::uint32_t total : {0U, 1U, 9U, 10U})
        CHECK(about(head(kind::part, 10), total) == layout_violation::total);
    CHECK(about(head(kind::part, 0), 10) == layout_violation::total);
    CHECK(about(head(kind::part, 0), 0) == layout_violation::total);
}

TEST_CASE("reason 2: a total that differs from the remaining bytes") {
    CHECK(in_message(20, head(kind::last, 20), 20) == layout_violation::none);
    CHECK(in_message(20, head(kind::part, 19), 20) == layout_violation::none);
    for (const std::uint32_t total : {1U, 19U, 21U, limit, limit + 1, ~0U}) {
        CHECK(in_message(20, head(kind::last, total & 0xff), total & 0xff) ==
              ((total & 0xff) == 20 ? layout_violation::none : layout_violation::total));
        CHECK(in_message(20, head(kind::part, 1), total) == layout_violation::total);
    }
    CHECK(in_message(20, head(kind::last, 0), 0) == layout_violation::total);
    CHECK(in_message(20, head(kind::part, 0), 20) == layout_violation::total);
}

TEST_CASE("reason 3: a message over the limit") {
    CHECK(about(head(kind::last, limit), limit) == layout_violation::none);
    CHECK(about(head(kind::last, limit + 1), limit + 1) == layout_violation::limit);
    CHECK(about(head(kind::part, 8), limit) == layout_violation::none);
    CHECK(about(head(kind::part, 8), limit + 1) == layout_violation::limit);
    CHECK(about(head(kind::part, 8), ~0U) == layout_violation::limit);
}

TEST_CASE("reason 4: a pad in a wrong place") {
    CHECK(about(head(kind::pad, 1016), 0) == layout_violation::sequence);
    CHECK(about(head(kind::pad, 0), 0) == layout_violation::sequence);
    CHECK(about(head(kind::pad, 0), 0, 512) == layout_violation::sequence);
    CHECK(about(head(kind::pad, 496), 0, 512) == layout_violation::sequence);
    SECTION("a second pad, at the start of the ring") {
        faulty_ring receiver{512};
        receiver.pair.sender.at().store(layout::block::ring, head(kind::pad, 1016));
        CHECK(receiver.about(head(kind::pad, 504), 0) == layout_violation::sequence);
    }
    SECTION("an allowed pad") {
        faulty_ring receiver{512};
        receiver.write(head(kind::pad, 504), ~0U);
        CHECK_FALSE(receiver.pair.in.front(receiver.pair.record));
        CHECK(receiver.pair.in.fault() == layout_violation::none);
        receiver.place = 0;
        CHECK(receiver.about(head(kind::last, 3), 3) == layout_violation::none);
    }
}

TEST_CASE("reason 4: an abandon without a message") {
    CHECK(about(head(kind::abandon, 0), 0) == layout_violation::sequence);
    CHECK(in_message(20, head(kind::abandon, 0), 77) == layout_violation::none);
    CHECK(in_message(20, head(kind::abandon, 1), 1) == layout_violation::sequence);
    CHECK(in_message(20, head(kind::abandon, 20), 20) == layout_violation::sequence);
}

TEST_CASE("reason 5: an impossible cursor") {
    for (const std::uint32_t start : {0U, 0U - 256}) {
        const auto says = [&](std::uint32_t wrong) {
            ring_pair pair{1024, start};
            for (int i = 0; i < 3; ++i)
                CHECK(pair.send(pattern(24, 0)));
            pair.receiver.at().store(layout::block::cursor, start + 32);
            CHECK(pair.out.look_at_cursor());
            CHECK(pair.stage(pattern(24, 0))); // not published yet
            pair.receiver.at().store(layout::block::cursor, start + wrong);
            const bool believed = pair.out.look_at_cursor();
            CHECK(believed == (pair.out.fault() == layout_violation::none));
            CHECK(pair.out.unread() <= 64);
            return pair.out.fault();
        };
        for (const std::uint32_t fine : {32U, 40U, 64U, 96U})
            CHECK(says(fine) == layout_violation::none);
        for (const std::uint32_t backwards : {0U, 24U, 0U - 8, 1U << 31U})
            CHECK(says(backwards) == layout_violation::cursor);
        for (const std::uint32_t ahead : {104U, 128U, 1024U, 1024U + 64, 1U << 30U})
            CHECK(says(ahead) == layout_violation::cursor);
        for (const std::uint32_t off : {33U, 36U, 60U, 66U, 95U})
            CHECK(says(off) == layout_violation::cursor);
    }
}

TEST_CASE("an impossible cursor makes no room") {
    ring_pair pair;
    while (pair.send(pattern(100, 0))) {
    }
    pair.receiver.at().store(layout::block::cursor, 4096);
    CHECK_FALSE(pair.out.reserve(100));
    CHECK(pair.out.fault() == layout_violation::cursor);
}

TEST_CASE("random words lead only to records in the ring, or to a fault") {
    std::mt19937 generator{7};
    const auto random = [&] {
        return static_cast<std::uint32_t>(generator());
    };
    unsigned taken = 0;
    for (unsigned round = 0; round < 20'000; ++round) {
        const auto guard =
            round % 2 == 0 ? guarded_block::guard::before : guarded_block::guard::behind;
        ring_pair pair{1024, random() & ~7U, limit, guard};
        // A sequence of records, about one in eight of them invalid.
        for (std::uint32_t place = 0; place < 1024;) {
            const std::uint32_t length = random() % 64;
            const auto k = random() % 8 == 0 ? static_cast<kind>(random() % 4) : kind::last;
            const std::uint32_t wrong = random() % 16 == 0 ? random() : 0;
            const words at = pair.sender.at().at(layout::block::ring + place);
            at.store(0, head(k, length) ^ wrong);
            if (place + 4 < 1024)
                at.store(4, random() % 16 == 0 ? length + random() % 64 : length);
            place += layout::record_size(length);
        }
        // The words of the ring may form an endless loop.
        for (unsigned record = 0; record < 200; ++record) {
            const auto at_once = pair.receive_at_once();
            const auto in_steps = pair.receive();
            REQUIRE((!at_once || at_once == in_steps));
            if (!in_steps)
                break;
            ++taken;
            REQUIRE(pair.record.payload + pair.record.length <= layout::block::ring + pair.size);
            REQUIRE(pair.record.total <= limit);
        }
    }
    CHECK(taken > 1000);
}
