// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Peers that end without a word: by the heartbeat, and as the server reports it.

#include "fixture.hpp"

using namespace test;
using ivshmem::channel_state;

namespace {

/// Two peers in C, of which both beat, and a channel between them.
struct beating_pair {
    beating_pair(std::uint32_t of_a, std::uint32_t of_b)
        : a{server.memory(), 0, 50}, b{server.memory(), 1, 51} {
        a.with(2, 2, 1024);
        a.config.heartbeat = of_a;
        b.config.heartbeat = of_b;
        REQUIRE(a.claim() == IVSHMEM_PEER_OK);
        REQUIRE(b.claim([&] { a.poll(); }) == IVSHMEM_PEER_OK);
        REQUIRE(ivshmem_peer_open(&a.peer, &x, 1, 0, 100) == IVSHMEM_PEER_OK);
        REQUIRE(ivshmem_peer_open(&b.peer, &y, 0, 0, 100) == IVSHMEM_PEER_OK);
        for (int i = 0; i < 4; ++i) {
            a.poll();
            b.poll();
        }
        REQUIRE(x.state == IVSHMEM_PEER_CHANNEL_CONNECTED);
        REQUIRE(y.state == IVSHMEM_PEER_CHANNEL_CONNECTED);
    }
    /// Lets a, and perhaps b, poll for a while. @return Whether a lost b.
    bool pass(std::uint32_t time, bool b_runs, std::uint32_t step = 50) {
        for (std::uint32_t passed = 0; passed < time; passed += step) {
            a.time += step;
            b.time += step;
            a.poll();
            if (b_runs)
                b.poll();
            if (x.state == IVSHMEM_PEER_CHANNEL_LOST)
                return true;
        }
        return false;
    }

    meeting server;
    c_peer a;
    c_peer b;
    ivshmem_peer_channel x{};
    ivshmem_peer_channel y{};
};

} // namespace

TEST_CASE("a peer that does not beat for four periods is lost, and what it sent is not") {
    beating_pair pair{200, 400};
    CHECK_FALSE(pair.pass(10000, true));
    REQUIRE(send(pair.y, "last") == IVSHMEM_PEER_OK);
    CHECK_FALSE(pair.pass(4 * 400 - 400, false));
    CHECK(pair.pass(2 * 400 + 200, false));
    CHECK(ivshmem_peer_is_lost(&pair.a.peer, 1));
    CHECK(send(pair.x, "x") == IVSHMEM_PEER_LOST);
    CHECK(receive(pair.x).text == "last");
    CHECK(receive(pair.x).result == IVSHMEM_PEER_LOST);
    std::uint32_t slot = 0;
    // It only did not run.
    CHECK(receive(pair.y).result == IVSHMEM_PEER_CLOSED);
    REQUIRE(ivshmem_peer_offer(&pair.b.peer, "late") != 0);
    CHECK(ivshmem_peer_find(&pair.a.peer, "late", &slot) == 0); // it is still lost
    pair.b.time += 1000;
    pair.b.poll();
    CHECK_FALSE(ivshmem_peer_is_lost(&pair.a.peer, 1));
    CHECK(ivshmem_peer_find(&pair.a.peer, "late", &slot) != 0);
    CHECK(ivshmem_peer_reopen(&pair.x) == IVSHMEM_PEER_OK);
    CHECK(ivshmem_peer_reopen(&pair.y) == IVSHMEM_PEER_OK);
    CHECK_FALSE(pair.pass(200, true));
    CHECK(pair.x.state == IVSHMEM_PEER_CHANNEL_CONNECTED);
}

TEST_CASE("the time in which a side does not look itself is no silence of others") {
    beating_pair pair{200, 200};
    for (int i = 0; i < 3; ++i)
        CHECK_FALSE(pair.pass(100000, false, 100000)); // suspended: one look
    CHECK_FALSE(pair.pass(100, true));
    CHECK_FALSE(pair.pass(2000, true));
}

TEST_CASE("a peer that does not beat is not judged, nor does it judge") {
    beating_pair pair{GENERATE(0U, 200U), 0};
    CHECK(pair.server.memory().size() == 65536);
    const ivshmem::shared_words header{pair.server.memory().data() + 32768, false};
    CHECK(header.load(layout::header::heartbeat) == 0);
    CHECK(header.load(layout::header::beating) == 0);
    CHECK_FALSE(pair.pass(10000, false));
    // Words that are not of this holder.
    header.store(layout::header::heartbeat, 100);
    header.store(layout::header::beating, 77);
    CHECK_FALSE(pair.pass(10000, false));
}

TEST_CASE("the library and a peer in C judge each other") {
    meeting server;
    const auto device = server.join(1);
    ivshmem::slot_options options;
    options.number = 0;
    options.geometry = two_slots;
    options.heartbeat = std::chrono::milliseconds{100};
    const auto slot = ivshmem::slot::claim(device, options);
    c_peer c{server.memory(), 1};
    c.config.heartbeat = 100;
    REQUIRE(c.claim() == IVSHMEM_PEER_OK);
    const ivshmem::shared_words header{server.memory().data() + 32768, false};
    const auto before = header.load(layout::header::heartbeat);
    CHECK((before & 0xffffU) == 100);
    CHECK(header.load(layout::header::beating) == header.load(layout::header::incarnation));
    c.time += 100;
    c.poll();
    CHECK(header.load(layout::header::heartbeat) != before);
    channel x = channel::open(slot, 1, 0);
    ivshmem_peer_channel y{};
    REQUIRE(ivshmem_peer_open(&c.peer, &y, 0, 0, 100) == IVSHMEM_PEER_OK);
    meet(x, c);
    SECTION("the peer in C stops") {
        const deadline limit;
        std::error_code ec;
        while (x.update(ec) != channel_state::lost)
            sleep_a_moment();
    }
    SECTION("the library stops") {
        for (int i = 0; i < 6; ++i) {
            CHECK(y.state == IVSHMEM_PEER_CHANNEL_CONNECTED);
            c.time += 100;
            c.poll();
            if (y.state == IVSHMEM_PEER_CHANNEL_LOST)
                break;
        }
        CHECK(y.state == IVSHMEM_PEER_CHANNEL_LOST);
    }
}

TEST_CASE("a peer whose id the server reports as gone is lost, and only that one") {
    two_kinds peers;
    auto& c = peers.c.peer;
    ivshmem_peer_channel y{};
    SECTION("while connected") {
        two_ends ends{peers};
        REQUIRE(ends.x.try_send(bytes("last")));
        ivshmem_peer_gone(&c, 2);
        peers.c.poll();
        CHECK(ends.y.state == IVSHMEM_PEER_CHANNEL_CONNECTED);
        ivshmem_peer_gone(&c, 1);
        CHECK(ends.y.state == IVSHMEM_PEER_CHANNEL_CONNECTED);
        peers.c.poll();
        CHECK(ends.y.state == IVSHMEM_PEER_CHANNEL_LOST);
        CHECK(receive(ends.y).text == "last");
        CHECK(receive(ends.y).result == IVSHMEM_PEER_LOST);
        CHECK(send(ends.y, "x") == IVSHMEM_PEER_LOST);
        CHECK(end_of(ends.x) == errc::channel_closed); // it lives, without its server
        REQUIRE(ivshmem_peer_reopen(&ends.y) == IVSHMEM_PEER_OK);
        ends.x.reopen();
        meet(ends.x, peers.c);
        CHECK(ends.y.state == IVSHMEM_PEER_CHANNEL_CONNECTED); // it acknowledged a later epoch
        ivshmem_peer_close(&ends.y);
    }
    SECTION("after it closed: it has closed") {
        two_ends ends{peers};
        ends.x.close();
        ivshmem_peer_gone(&c, 1);
        peers.c.poll();
        CHECK(receive(ends.y).result == IVSHMEM_PEER_CLOSED);
        ivshmem_peer_close(&ends.y);
    }
    SECTION("while opening") {
        channel x = channel::open(peers.slot, 1, 0);
        REQUIRE(ivshmem_peer_open(&c, &y, 0, 0, 100) == IVSHMEM_PEER_OK);
        peers.c.poll();
        x.update(); // acknowledges
        const bool returns = GENERATE(true, false);
        ivshmem_peer_gone(&c, 1);
        if (returns)
            ivshmem_peer_came(&c, 1);
        meet(x, peers.c);
        CHECK(y.state == (returns ? IVSHMEM_PEER_CHANNEL_CONNECTED : IVSHMEM_PEER_CHANNEL_LOST));
        ivshmem_peer_close(&y);
    }
    SECTION("its offers are ignored, until it comes again") {
        ivshmem::service_directory directory{peers.slot};
        const auto key = directory.offer("echo");
        std::uint32_t slot = 0;
        ivshmem_peer_gone(&c, 1);
        CHECK(ivshmem_peer_find(&c, "echo", &slot) == 0);
        for (std::uint16_t id = 100; id < 103; ++id)
            ivshmem_peer_gone(&c, id);
        CHECK(ivshmem_peer_find(&c, "echo", &slot) == 0);
        ivshmem_peer_came(&c, 1);
        CHECK(ivshmem_peer_find(&c, "echo", &slot) == key);
        for (std::uint16_t id = 100; id < 200; ++id) // more than are remembered
            ivshmem_peer_gone(&c, id);
        CHECK(ivshmem_peer_find(&c, "echo", &slot) == key);
    }
}
