// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Another side that breaks the rules: each fault by its reason, and nothing else is harmed.

#include "fixture.hpp"

using namespace test;
using ivshmem::channel_state;
using ivshmem::layout_violation;

namespace {

constexpr std::uint32_t head(layout::kind k, std::uint32_t length) {
    return layout::record_valid | static_cast<std::uint32_t>(k) << layout::record_kind_shift |
           length;
}

/// A record that the other side writes at the start of its ring.
struct lie {
    std::uint32_t head;
    std::uint32_t total;
    std::uint32_t reason;
};

} // namespace

TEST_CASE("each false record is a fault with its reason, which both sides know") {
    const lie l = GENERATE(
        lie{1, 1, 1}, lie{0x7fffffff, 0, 1}, lie{head(layout::kind::last, 1020), 1020, 1},
        lie{head(layout::kind::last, 0x1fffffff), 0x1fffffff, 1},
        lie{head(layout::kind::part, 1017), 2000, 1}, lie{head(layout::kind::last, 8), 9, 2},
        lie{head(layout::kind::last, 8), 7, 2}, lie{head(layout::kind::last, 8), ~0U, 2},
        lie{head(layout::kind::part, 0), 8, 2}, lie{head(layout::kind::part, 8), 8, 2},
        lie{head(layout::kind::part, 8), 0, 2}, lie{head(layout::kind::last, 101), 101, 3},
        lie{head(layout::kind::part, 8), 101, 3}, lie{head(layout::kind::part, 8), ~0U, 3},
        lie{head(layout::kind::pad, 1016), 0, 4}, lie{head(layout::kind::pad, 8), 0, 4},
        lie{head(layout::kind::abandon, 0), 0, 4}, lie{head(layout::kind::abandon, 8), 8, 4});
    two_kinds peers;
    two_ends ends{peers, 100};
    const auto ring = peers.block(0).at(layout::block::ring);
    ring.store(4, l.total);
    ring.store(0, l.head);
    const bool stream = GENERATE(true, false);
    if (stream) {
        std::string into(1024, '#');
        std::uint32_t count = 7;
        CHECK(ivshmem_peer_read(&ends.y, into.data(), 1024, &count) == IVSHMEM_PEER_FAULT);
        CHECK(count == 0);
        CHECK(into == std::string(1024, '#'));
    } else {
        CHECK(receive(ends.y).result == IVSHMEM_PEER_FAULT);
    }
    CHECK(ends.y.fault == l.reason);
    CHECK(ends.y.state == IVSHMEM_PEER_CHANNEL_POISONED);
    CHECK(peers.block(1).load(layout::block::flags) == (3U | l.reason << 8U));
    CHECK(send(ends.y, "x") == IVSHMEM_PEER_FAULT);
    ivshmem_peer_finish(&ends.y); // the flags for the other side stay
    CHECK(end_of(ends.x) == errc::channel_rejected);
    CHECK(ends.x.violation() == static_cast<layout_violation>(l.reason));
    peers.c.poll();
    CHECK(peers.c.holds());
    ends.x.reopen();
    CHECK(ivshmem_peer_reopen(&ends.y) == IVSHMEM_PEER_OK);
    meet(ends.x, peers.c);
    CHECK(ends.x.try_send(bytes("again")));
    CHECK(receive(ends.y).text == "again");
}

TEST_CASE("parts that contradict the earlier ones") {
    two_kinds peers;
    two_ends ends{peers, 100};
    const auto ring = peers.block(0).at(layout::block::ring);
    ring.store(4, 24);
    ring.store(16, 0);
    ring.store(0, head(layout::kind::part, 8)); // of 24: 16 remain
    CHECK(receive(ends.y).result == IVSHMEM_PEER_AGAIN);
    const auto [word, total, reason] = GENERATE(table<std::uint32_t, std::uint32_t, std::uint32_t>(
        {{head(layout::kind::last, 8), 8, 2},
         {head(layout::kind::last, 24), 24, 2},
         {head(layout::kind::part, 8), 24, 2},
         {head(layout::kind::part, 16), 16, 2},
         {head(layout::kind::part, 8), 15, 2},
         {head(layout::kind::abandon, 1), 0, 4}}));
    ring.store(20, total);
    ring.store(16, word);
    CHECK(receive(ends.y).result == IVSHMEM_PEER_FAULT);
    CHECK(ends.y.fault == reason);
}

TEST_CASE("each false cursor is fault 5") {
    two_kinds peers;
    two_ends ends{peers};
    REQUIRE(send(ends.y, pattern(100)) == IVSHMEM_PEER_OK);
    const std::uint32_t cursor = GENERATE(4U, 1U, 1024U, 0x80000000U, ~7U, ~0U);
    peers.block(0).store(layout::block::cursor, cursor);
    SECTION("noticed by a sender without room") {
        enum ivshmem_peer_result result = IVSHMEM_PEER_OK;
        for (int i = 0; i < 20 && result == IVSHMEM_PEER_OK; ++i)
            result = send(ends.y, pattern(100));
        CHECK(result == IVSHMEM_PEER_FAULT);
    }
    SECTION("noticed by a sender that asks whether all was read") {
        CHECK_FALSE(ivshmem_peer_drained(&ends.y));
        CHECK(send(ends.y, "x") == IVSHMEM_PEER_FAULT);
    }
    CHECK(ends.y.fault == 5);
    CHECK(peers.block(1).load(layout::block::flags) == 0x503);
}

TEST_CASE("no fault: what a peer wrote for its next session, and an early cursor") {
    two_kinds peers;
    two_ends ends{peers};
    SECTION("a cursor of the next session") {
        REQUIRE(send(ends.y, pattern(100)) == IVSHMEM_PEER_OK);
        REQUIRE(next(ends.x).has_value());
        CHECK(ivshmem_peer_drained(&ends.y) == false);
        ivshmem::channel_driver{ends.x}.settle();
        CHECK(ivshmem_peer_drained(&ends.y));
        ends.x.reopen(); // its cursor is 0 again
        CHECK_FALSE(ivshmem_peer_drained(&ends.y));
        CHECK(ends.y.state == IVSHMEM_PEER_CHANNEL_RESET);
    }
    SECTION("a false record and a new epoch") {
        peers.block(0).at(layout::block::ring).store(0, 1);
        peers.block(0).store(layout::block::epoch, 12345);
        CHECK(receive(ends.y).result == IVSHMEM_PEER_RESET);
    }
    CHECK(peers.block(1).load(layout::block::flags) == 0);
}

TEST_CASE("a ring full of records without a message takes a call a bounded number of them") {
    two_kinds peers;
    two_ends ends{peers};
    const auto ring = peers.block(0).at(layout::block::ring);
    for (std::uint32_t place = 0; place < 1024; place += 32) {
        ring.store(place, head(layout::kind::part, 16));
        ring.store(place + 4, 17);
        ring.store(place + 24, head(layout::kind::abandon, 0));
        ring.store(place + 28, 0);
    }
    const auto before = ends.y.position;
    CHECK(receive(ends.y).result == IVSHMEM_PEER_AGAIN);
    CHECK(ends.y.position - before <= 1024);
    CHECK(ends.y.position != before);
    CHECK(ivshmem_peer_arm(&peers.c.peer) == 0); // there is more
    std::uint32_t count = 0;
    char into[100];
    CHECK(ivshmem_peer_read(&ends.y, into, 100, &count) == IVSHMEM_PEER_OK);
    CHECK(peers.c.holds());
}

TEST_CASE("an epoch that changes all the time keeps a connecting side waiting, not busy") {
    two_kinds peers;
    ivshmem_peer_channel y{};
    REQUIRE(ivshmem_peer_open(&peers.c.peer, &y, 0, 0, 100) == IVSHMEM_PEER_OK);
    for (std::uint32_t epoch = 1; epoch < 100; ++epoch) {
        peers.block(0).store(layout::block::epoch, epoch);
        peers.c.poll();
        CHECK(y.state == IVSHMEM_PEER_CHANNEL_OPENING);
        CHECK(peers.block(1).load(layout::block::ack) == epoch);
    }
}

TEST_CASE("the reasons that the other side gives are reported, also those of later versions") {
    two_kinds peers;
    two_ends ends{peers};
    const std::uint32_t reason = GENERATE(1U, 5U, 200U);
    peers.block(0).store(layout::block::flags, 3U | reason << 8U);
    peers.c.poll();
    CHECK(ends.y.state == IVSHMEM_PEER_CHANNEL_REJECTED);
    CHECK(ends.y.fault == reason);
    CHECK(send(ends.y, "x") == IVSHMEM_PEER_REJECTED);
    CHECK(receive(ends.y).result == IVSHMEM_PEER_REJECTED);
}
