// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Opening, resetting, closing and sleeping, between the library and a peer in C.

#include "fixture.hpp"

using namespace test;
using ivshmem::channel_driver;
using ivshmem::channel_state;

TEST_CASE("either side may open first") {
    two_kinds peers;
    ivshmem_peer_channel y{};
    std::error_code ec;
    REQUIRE(ivshmem_peer_open(&peers.c.peer, &y, 0, 0, 100) == IVSHMEM_PEER_OK);
    peers.c.poll();
    CHECK(y.state == IVSHMEM_PEER_CHANNEL_OPENING);
    CHECK(send(y, "x") == IVSHMEM_PEER_AGAIN);
    CHECK(receive(y).result == IVSHMEM_PEER_AGAIN);
    ivshmem_peer_channel again{};
    CHECK(ivshmem_peer_open(&peers.c.peer, &again, 0, 0, 100) == IVSHMEM_PEER_IN_USE);
    CHECK(ivshmem_peer_open(&peers.c.peer, &y, 0, 1, 100) == IVSHMEM_PEER_IN_USE);
    CHECK(ivshmem_peer_open(&peers.c.peer, &again, 1, 0, 100) == IVSHMEM_PEER_INVALID);
    CHECK(ivshmem_peer_open(&peers.c.peer, &again, 2, 0, 100) == IVSHMEM_PEER_INVALID);
    CHECK(ivshmem_peer_open(&peers.c.peer, &again, 0, 2, 100) == IVSHMEM_PEER_INVALID);
    channel x = channel::open(peers.slot, 1, 0);
    meet(x, peers.c);
    CHECK(x.state() == channel_state::connected);
    CHECK(y.state == IVSHMEM_PEER_CHANNEL_CONNECTED);
    CHECK(y.peer_incarnation == peers.slot.incarnation());
}

TEST_CASE("a wait is no longer than the program allows") {
    two_kinds peers;
    static std::uint32_t waited;
    peers.c.peer.config.hooks.wait = [](void*, std::uint32_t milliseconds) {
        waited = milliseconds;
    };
    for (int i = 0; i < 4; ++i) {
        peers.c.time += 500;
        peers.c.poll(); // the recheck period grows
    }
    ivshmem_peer_wait(&peers.c.peer, IVSHMEM_PEER_NO_LIMIT);
    CHECK(waited > 3);
    ivshmem_peer_wait(&peers.c.peer, 3);
    CHECK(waited == 3);
    ivshmem_peer_wait(&peers.c.peer, 0);
    CHECK(waited == 3); // not called
}

TEST_CASE("each side notices that the other has opened again, and both go on") {
    two_kinds peers;
    two_ends ends{peers};
    SECTION("the library opens again") {
        REQUIRE(ends.x.try_send(bytes("lost")));
        ends.x.reopen();
        CHECK(receive(ends.y).result == IVSHMEM_PEER_RESET);
        CHECK(send(ends.y, "x") == IVSHMEM_PEER_RESET);
        ends.x.update();
        CHECK(ends.x.state() == channel_state::opening); // until the other side opens again, too
        CHECK(ivshmem_peer_reopen(&ends.y) == IVSHMEM_PEER_OK);
    }
    SECTION("the peer in C does") {
        CHECK(ivshmem_peer_reopen(&ends.y) == IVSHMEM_PEER_OK);
        CHECK(end_of(ends.x) == errc::channel_reset);
        ends.x.reopen();
    }
    SECTION("both do") {
        CHECK(ivshmem_peer_reopen(&ends.y) == IVSHMEM_PEER_OK);
        ends.x.reopen();
    }
    meet(ends.x, peers.c);
    REQUIRE(ends.x.state() == channel_state::connected);
    REQUIRE(ends.y.state == IVSHMEM_PEER_CHANNEL_CONNECTED);
    CHECK(send(ends.y, "again") == IVSHMEM_PEER_OK);
    CHECK(next(ends.x) == "again");
    CHECK_FALSE(next(ends.x).has_value());
    CHECK(ends.x.try_send(bytes("and again")));
    CHECK(receive(ends.y).text == "and again");
}

TEST_CASE("what was sent before a close can be received, and each half closes alone") {
    two_kinds peers;
    two_ends ends{peers};
    REQUIRE(ends.x.try_send(bytes("last of x")));
    REQUIRE(send(ends.y, "last of y") == IVSHMEM_PEER_OK);
    SECTION("the library closes") {
        ends.x.close();
        CHECK(receive(ends.y).text == "last of x");
        CHECK(receive(ends.y).result == IVSHMEM_PEER_CLOSED);
        peers.c.poll();
        CHECK(send(ends.y, "x") == IVSHMEM_PEER_CLOSED);
    }
    SECTION("the library finishes") {
        ends.x.finish();
        CHECK(receive(ends.y).text == "last of x");
        CHECK(receive(ends.y).result == IVSHMEM_PEER_CLOSED);
        CHECK(send(ends.y, "more") == IVSHMEM_PEER_OK);
        CHECK(next(ends.x) == "last of y");
        CHECK(next(ends.x) == "more");
    }
    SECTION("the peer in C closes") {
        ivshmem_peer_close(&ends.y);
        CHECK(ends.y.state == IVSHMEM_PEER_CHANNEL_CLOSED);
        CHECK(next(ends.x) == "last of y");
        CHECK(end_of(ends.x) == errc::channel_closed);
        CHECK(not_sent(ends.x) == errc::channel_closed);
        CHECK(receive(ends.y).result == IVSHMEM_PEER_CLOSED);
        CHECK(send(ends.y, "x") == IVSHMEM_PEER_CLOSED);
    }
    SECTION("the peer in C finishes") {
        ivshmem_peer_finish(&ends.y);
        CHECK(send(ends.y, "x") == IVSHMEM_PEER_CLOSED);
        CHECK(next(ends.x) == "last of y");
        CHECK(end_of(ends.x) == errc::channel_closed);
        CHECK(ends.x.try_send(bytes("more")));
        CHECK(receive(ends.y).text == "last of x");
        CHECK(receive(ends.y).text == "more");
        peers.c.poll();
        CHECK(peers.c.holds());
    }
    SECTION("after parts without the last one") {
        std::uint32_t sent = 0;
        const std::string text = pattern(3000);
        REQUIRE(ivshmem_peer_send_some(&ends.y, text.data(), 3000, &sent) == IVSHMEM_PEER_AGAIN);
        CHECK(next(ends.x) == "last of y");
        CHECK_FALSE(next(ends.x).has_value());
        ivshmem_peer_finish(&ends.y);
        CHECK(end_of(ends.x) == errc::channel_closed);
    }
}

TEST_CASE("what was received before a close is drained") {
    two_kinds peers;
    SECTION("the peer in C closes") {
        two_ends ends{peers};
        REQUIRE(ends.x.try_send(bytes("taken")));
        REQUIRE(receive(ends.y).text == "taken");
        ivshmem_peer_close(&ends.y);
        std::error_code ec;
        CHECK(ends.x.drained(ec));
        CHECK(ec == std::error_code{});
    }
    SECTION("the peer in C leaves") {
        two_ends ends{peers};
        REQUIRE(ends.x.try_send(bytes("taken")));
        REQUIRE(receive(ends.y).text == "taken");
        ivshmem_peer_leave(&peers.c.peer);
        std::error_code ec;
        CHECK(ends.x.drained(ec));
        CHECK(ec == std::error_code{});
    }
    SECTION("the library closes") {
        two_ends ends{peers};
        REQUIRE(send(ends.y, "taken") == IVSHMEM_PEER_OK);
        REQUIRE(next(ends.x) == "taken");
        ends.x.close();
        CHECK(ivshmem_peer_drained(&ends.y));
    }
}

TEST_CASE("a side that closes while it is opening leaves the other one waiting") {
    two_kinds peers;
    channel x = channel::open(peers.slot, 1, 0);
    ivshmem_peer_channel y{};
    REQUIRE(ivshmem_peer_open(&peers.c.peer, &y, 0, 0, 100) == IVSHMEM_PEER_OK);
    peers.c.poll(); // acknowledges
    ivshmem_peer_close(&y);
    x.update();
    CHECK(x.state() == channel_state::opening);
    REQUIRE(ivshmem_peer_open(&peers.c.peer, &y, 0, 0, 100) == IVSHMEM_PEER_OK);
    meet(x, peers.c);
    CHECK(x.state() == channel_state::connected);
    CHECK(y.state == IVSHMEM_PEER_CHANNEL_CONNECTED);
}

TEST_CASE("an epoch is new, also if the random words are not") {
    two_kinds peers;
    peers.c.config.hooks.random = [](void*) -> std::uint32_t {
        return 5;
    };
    peers.c.peer.config.hooks.random = peers.c.config.hooks.random;
    two_ends ends{peers};
    CHECK(peers.block(1).load(layout::block::epoch) == 5);
    peers.block(0).store(layout::block::ack, 6);
    CHECK(ivshmem_peer_reopen(&ends.y) == IVSHMEM_PEER_OK);
    CHECK(peers.block(1).load(layout::block::epoch) == 7); // not the one before, nor their ack
}

TEST_CASE("both leave, and the other side notices") {
    two_kinds peers;
    two_ends ends{peers};
    REQUIRE(send(ends.y, "last") == IVSHMEM_PEER_OK);
    SECTION("the peer in C") {
        ivshmem_peer_leave(&peers.c.peer);
        CHECK(peers.c.peer.why == IVSHMEM_PEER_OK);
        CHECK(next(ends.x) == "last");
        CHECK(end_of(ends.x) == errc::channel_closed);
        CHECK_FALSE(peers.slot.find_holder(1).has_value());
        CHECK(ends.y.state == IVSHMEM_PEER_CHANNEL_CLOSED);
        CHECK(peers.c.claim() == IVSHMEM_PEER_OK);
    }
    SECTION("the library") {
        ends.x.close();
        peers.slot.close();
        peers.c.poll();
        CHECK(receive(ends.y).result == IVSHMEM_PEER_CLOSED);
    }
}

TEST_CASE("a side that sleeps is rung for messages and for room, once") {
    two_kinds peers;
    two_ends ends{peers};
    auto& rings = peers.c.rings;
    SECTION("the library sleeps, for a message") {
        REQUIRE(channel_driver{ends.x}.arm(channel_driver::for_data));
        rings.clear();
        REQUIRE(send(ends.y, "1") == IVSHMEM_PEER_OK);
        REQUIRE(rings.size() == 1);
        CHECK(rings[0] == std::pair<std::uint16_t, std::uint16_t>{1, 0});
        REQUIRE(send(ends.y, "2") == IVSHMEM_PEER_OK);
        CHECK(rings.size() == 1);
        peers.c.time += 10; // it still sleeps
        peers.c.poll();
        CHECK(rings.size() == 2);
        channel_driver{ends.x}.disarm();
        peers.c.time += 1000;
        peers.c.poll();
        CHECK(rings.size() == 2);
    }
    SECTION("the library sleeps, for room") {
        std::error_code ec;
        while (ends.x.try_send(bytes(pattern(100)), ec)) {
        }
        REQUIRE(channel_driver{ends.x}.arm(channel_driver::for_room));
        rings.clear();
        int read = 0;
        while (rings.empty() && receive(ends.y).result == IVSHMEM_PEER_OK)
            ++read;
        CHECK(rings.size() == 1);
        CHECK(read >= 4); // half of the ring is free
        CHECK(read < 9);
        channel_driver{ends.x}.disarm();
        CHECK(ends.x.try_send(bytes(pattern(500))));
    }
    SECTION("the peer in C sleeps") {
        const auto before = channel_driver{ends.x}.rings();
        CHECK(ivshmem_peer_arm(&peers.c.peer) != 0);
        REQUIRE(ends.x.try_send(bytes("1")));
        CHECK(channel_driver{ends.x}.rings() == before + 1);
        REQUIRE(ends.x.try_send(bytes("2")));
        CHECK(channel_driver{ends.x}.rings() == before + 1);
        CHECK(ivshmem_peer_arm(&peers.c.peer) == 0); // there is something to do
        REQUIRE(ends.x.try_send(bytes("3")));
        CHECK(channel_driver{ends.x}.rings() == before + 1);
        ends.y.holds_back = true;
        CHECK(ivshmem_peer_arm(&peers.c.peer) != 0);
        ends.y.holds_back = false;
        peers.c.poll();
        for (const char* text : {"1", "2", "3"})
            CHECK(receive(ends.y).text == text);
    }
    SECTION("the peer in C sleeps for room") {
        while (send(ends.y, pattern(100)) == IVSHMEM_PEER_OK) {
        }
        const auto before = channel_driver{ends.x}.rings();
        CHECK(ivshmem_peer_arm(&peers.c.peer) != 0);
        for (int i = 0; i < 3; ++i)
            REQUIRE(next(ends.x).has_value());
        CHECK(channel_driver{ends.x}.rings() == before); // less than half of the ring is free
        for (int i = 0; i < 4; ++i)
            REQUIRE(next(ends.x).has_value());
        CHECK(channel_driver{ends.x}.rings() == before + 1);
        CHECK(ivshmem_peer_arm(&peers.c.peer) == 0);
        CHECK(send(ends.y, pattern(100)) == IVSHMEM_PEER_OK);
    }
    SECTION("what happens between looking and sleeping ends the wait") {
        ends.x.finish();
        CHECK(ivshmem_peer_arm(&peers.c.peer) == 0);
        CHECK(ivshmem_peer_arm(&peers.c.peer) != 0); // once
    }
}
