// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Slots: the library and peers in C claim them from each other, and agree on a geometry or do not.

#include "channel/division.hpp"
#include "fixture.hpp"

#include <ivshmem/slot_claim.hpp>

#include <cstring>

using namespace test;

namespace {

ivshmem::slot_options numbered(std::uint32_t number) {
    ivshmem::slot_options options;
    options.number = number;
    return options;
}

/// Why the library cannot claim, while the peer in C polls.
std::error_code outcome_of(const ivshmem::device& at, const ivshmem::slot_options& how, c_peer& c) {
    ivshmem::slot_claim claim{at, how};
    std::error_code ec;
    for (auto wait = claim.step(ec); wait.count() != 0; wait = claim.step(ec)) {
        c.poll();
        std::this_thread::sleep_for(wait);
    }
    return ec;
}

} // namespace

TEST_CASE("a peer in C adopts the geometry of the library, and the library that of a peer in C") {
    meeting server;
    const auto device = server.join(1);
    c_peer c{server.memory(), 1};
    const ivshmem::region_geometry geometry{3, 2, 2048};
    ivshmem::slot held;
    if (GENERATE(true, false)) {
        held = claim(device, GENERATE(0U, 2U), geometry);
        REQUIRE(c.claim() == IVSHMEM_PEER_OK);
    } else {
        REQUIRE(c.with(3, 2, 2048).claim() == IVSHMEM_PEER_OK);
        held = ivshmem::slot::claim(device, numbered(GENERATE(0U, 2U)));
    }
    CHECK(held.geometry() == geometry);
    CHECK(c.peer.division.slots == 3);
    CHECK(c.peer.division.lanes == 2);
    CHECK(c.peer.division.ring_size == 2048);
    const auto holder = held.find_holder(1);
    REQUIRE(holder.has_value());
    CHECK(holder->peer == 50);
}

TEST_CASE("a peer that is told no geometry takes the same one as the library") {
    for (const std::size_t size : {131072U, 1048576U, 1150976U, 8388608U}) {
        meeting server{size};
        const auto device = server.join(1);
        c_peer c{server.memory(), 1};
        REQUIRE(c.claim() == IVSHMEM_PEER_OK);
        const auto ring_size = c.peer.division.ring_size;
        ivshmem_peer_leave(&c.peer);
        server.clear();
        const auto held = ivshmem::slot::claim(device, numbered(0));
        CHECK(held.geometry().ring_size == ring_size);
        CHECK(held.geometry().lanes == 4);
        CHECK(held.geometry().slots == 4);
    }
}

TEST_CASE("peers in a region of the memory find each other, if both are told") {
    meeting server{262144};
    const auto device = server.join(1);
    auto options = numbered(0);
    options.region = ivshmem::memory_region{69632, 131072};
    c_peer c{server.memory(), 1};
    c.config.region_offset = 69632;
    c.config.region_size = 131072;
    ivshmem::slot held;
    if (GENERATE(true, false)) {
        held = ivshmem::slot::claim(device, options);
        REQUIRE(c.claim() == IVSHMEM_PEER_OK);
    } else {
        REQUIRE(c.claim() == IVSHMEM_PEER_OK);
        held = ivshmem::slot::claim(device, options);
    }
    CHECK(held.find_holder(1).has_value());
}

TEST_CASE("two geometries: the later peer stops, whichever kind it is") {
    meeting server;
    const auto device = server.join(1);
    c_peer c{server.memory(), 1};
    SECTION("the peer in C comes later") {
        const auto held = claim(device, 0, {2, 2, 1024});
        CHECK(c.with(2, 1, 1024).begin() == IVSHMEM_PEER_MISMATCH);
        CHECK(c.peer.phase == IVSHMEM_PEER_ENDED);
        CHECK(c.peer.why == IVSHMEM_PEER_MISMATCH);
    }
    SECTION("... and the first is in another slot than 0") {
        const auto held = claim(device, 1, {2, 2, 1024});
        CHECK(c.with(2, 1, 1024).begin() == IVSHMEM_PEER_MISMATCH);
    }
    SECTION("... and the first header was overwritten") {
        const auto held = claim(device, 1, {2, 2, 1024});
        at(server, 0).store(0, 0);
        CHECK(c.with(2, 1, 1024).begin() == IVSHMEM_PEER_MISMATCH);
        CHECK(c.with(0, 0, 0).begin() == IVSHMEM_PEER_OK); // adopts
        CHECK(c.peer.division.lanes == 2);
    }
    SECTION("the library comes later") {
        REQUIRE(c.with(2, 2, 1024).claim() == IVSHMEM_PEER_OK);
        auto options = numbered(0);
        options.geometry = ivshmem::region_geometry{2, 1, 1024};
        CHECK(outcome_of(device, options, c) == errc::geometry_mismatch);
    }
    SECTION("both come at once: one at most holds a slot") {
        const std::uint32_t slot = GENERATE(0U, 1U);
        auto options = numbered(slot);
        options.geometry = ivshmem::region_geometry{2, 1, 1024};
        c_peer other{server.memory(), GENERATE(0U, 1U)};
        other.with(2, 2, 1024);
        ivshmem::slot_claim claim{device, options};
        std::error_code ec;
        bool more = true;
        if (GENERATE(true, false))
            more = claim.step(ec).count() != 0;
        other.begin();
        while (more || other.peer.phase == IVSHMEM_PEER_CLAIMING) {
            more = more && claim.step(ec).count() != 0;
            std::this_thread::sleep_for(std::chrono::milliseconds{5});
            other.time += 5;
            other.poll();
        }
        auto held = claim.take();
        other.poll();
        if (held.is_open())
            held.answer_claims(ec);
        CHECK((held.is_open() && !ec) != other.holds());
    }
    if (c.holds()) {
        c.poll();
        CHECK(c.holds());
    }
}

TEST_CASE("a slot that is held stays, if its holder answers, whichever kind it is") {
    const deadline limit;
    two_kinds peers;
    SECTION("the library holds it") {
        c_peer other{peers.server.memory(), 0, 51};
        CHECK(other.claim([&] { peers.slot.answer_claims(); }) == IVSHMEM_PEER_IN_USE);
        CHECK_FALSE(other.holds());
        CHECK(other.rings.at(0) == std::pair<std::uint16_t, std::uint16_t>{1, 0});
    }
    SECTION("the peer in C holds it") {
        const auto device = peers.server.join(2);
        CHECK(outcome_of(device, numbered(1), peers.c) == errc::slot_in_use);
        CHECK(peers.c.holds());
    }
    SECTION("two peers in C") {
        c_peer other{peers.server.memory(), 1, 51};
        CHECK(other.claim([&] { peers.c.poll(); }) == IVSHMEM_PEER_IN_USE);
    }
    peers.c.poll();
    CHECK(peers.c.holds());
    peers.slot.answer_claims();
}

TEST_CASE("a slot whose holder does not answer is taken, and the holder notices") {
    const deadline limit;
    two_kinds peers;
    SECTION("from the library") {
        c_peer other{peers.server.memory(), 0, 51};
        const auto before = other.time;
        CHECK(other.claim() == IVSHMEM_PEER_OK);
        CHECK(other.holds());
        CHECK(other.time - before >= 250);
        std::error_code ec;
        peers.slot.answer_claims(ec);
        CHECK(ec == errc::slot_lost);
    }
    SECTION("from the peer in C") {
        ivshmem_peer_channel y{};
        REQUIRE(ivshmem_peer_open(&peers.c.peer, &y, 0, 0, 100) == IVSHMEM_PEER_OK);
        const auto device = peers.server.join(2);
        auto options = numbered(1);
        options.claim_time = std::chrono::milliseconds{30};
        const auto taken = ivshmem::slot::claim(device, options);
        const auto memory = copy_of(peers.server);
        CHECK(send(y, "x") == IVSHMEM_PEER_AGAIN);
        peers.c.poll();
        CHECK(peers.c.peer.phase == IVSHMEM_PEER_ENDED);
        CHECK(peers.c.peer.why == IVSHMEM_PEER_SLOT_LOST);
        CHECK(y.state == IVSHMEM_PEER_CHANNEL_CLOSED);
        ivshmem_peer_leave(&peers.c.peer);
        CHECK(copy_of(peers.server) == memory); // it writes nothing more
    }
    SECTION("without waiting, if it is known to be gone") {
        c_peer other{peers.server.memory(), 0, 51};
        REQUIRE(other.begin() == IVSHMEM_PEER_OK);
        ivshmem_peer_gone(&other.peer, 1);
        const auto before = other.time;
        for (int i = 0; i < 3; ++i)
            other.step();
        CHECK(other.peer.phase == IVSHMEM_PEER_HELD);
        CHECK(other.time - before < 250);
    }
}

TEST_CASE("a claim clears the directory and all blocks of the slot, whatever was in them") {
    two_kinds peers;
    ivshmem_peer_leave(&peers.c.peer);
    const auto section = peers.header(1);
    for (std::size_t word = 0x800; word < 32768; word += 4)
        section.store(word, 0x7777);
    REQUIRE(peers.c.claim() == IVSHMEM_PEER_OK);
    for (std::size_t entry = 0; entry < 32; ++entry)
        CHECK(section.load(layout::header::directory + entry * 64) == 0);
    for (const std::size_t block : {std::size_t{4096}, std::size_t{4096 + 1280}})
        for (const auto word :
             {layout::block::epoch, layout::block::ack, layout::block::flags, layout::block::wake})
            CHECK(section.load(block + word) == 0);
}

TEST_CASE("any free slot: the first one that no peer holds") {
    const deadline limit;
    meeting server;
    const auto device = server.join(1);
    const auto held = claim(device, 0, {4, 1, 1024});
    c_peer first{server.memory(), IVSHMEM_PEER_ANY_SLOT, 50};
    c_peer second{server.memory(), IVSHMEM_PEER_ANY_SLOT, 51};
    c_peer third{server.memory(), IVSHMEM_PEER_ANY_SLOT, 52};
    c_peer fourth{server.memory(), IVSHMEM_PEER_ANY_SLOT, 53};
    first.begin();
    second.begin(); // at the same time
    for (int i = 0; i < 10; ++i) {
        first.step();
        second.step();
    }
    CHECK(first.holds());
    CHECK(second.holds());
    CHECK(first.peer.slot != second.peer.slot);
    CHECK(first.peer.slot != 0);
    CHECK(second.peer.slot != 0);
    CHECK(third.claim() == IVSHMEM_PEER_OK);
    CHECK(first.peer.slot + second.peer.slot + third.peer.slot == 6);
    CHECK(fourth.begin() == IVSHMEM_PEER_NO_SLOT);
    ivshmem_peer_leave(&second.peer);
    CHECK(fourth.claim() == IVSHMEM_PEER_OK);
    first.poll();
    third.poll();
    CHECK(first.holds());
    CHECK(third.holds());
}

TEST_CASE("stray writes to the header are repaired, or end the slot") {
    two_kinds peers;
    two_ends ends{peers};
    const auto header = peers.header(1);
    const auto incarnation = header.load(layout::header::incarnation);
    SECTION("claim") {
        header.store(layout::header::claim, 5);
        peers.c.poll();
        CHECK(header.load(layout::header::claim) == incarnation);
        CHECK(peers.c.holds());
    }
    SECTION("incarnation") {
        header.store(layout::header::incarnation, GENERATE(0U, 5U));
        CHECK(ends.x.update() == ivshmem::channel_state::connected);
        peers.c.poll();
        CHECK(header.load(layout::header::incarnation) == incarnation);
        CHECK(peers.c.peer.repairs == 1);
        CHECK(peers.c.holds());
    }
    SECTION("the incarnation of the library: no reset") {
        peers.header(0).store(layout::header::incarnation, 5);
        peers.c.poll();
        CHECK(ends.y.state == IVSHMEM_PEER_CHANNEL_CONNECTED);
        peers.slot.answer_claims();
    }
    SECTION("any other word") {
        const std::size_t word = GENERATE(range(std::size_t{0}, std::size_t{12})) * 4;
        header.store(word, header.load(word) + 1);
        peers.c.poll();
        CHECK(peers.c.peer.phase == IVSHMEM_PEER_ENDED);
        CHECK(peers.c.peer.why == IVSHMEM_PEER_OVERWRITTEN);
        CHECK(header.load(layout::header::incarnation) == 0);
    }
    SECTION("the directory") {
        REQUIRE(ivshmem_peer_offer(&peers.c.peer, "name") != 0);
        peers.c.poll();
        REQUIRE(peers.c.holds());
        const std::size_t word = layout::header::directory + GENERATE(0U, 4U, 8U, 60U);
        header.store(word, header.load(word) + 1);
        peers.c.poll();
        CHECK(peers.c.peer.why == IVSHMEM_PEER_OVERWRITTEN);
    }
    SECTION("the block of an open channel") {
        const std::size_t word = GENERATE(layout::block::epoch, layout::block::ack,
                                          layout::block::flags, layout::block::cursor);
        peers.block(1).store(word, peers.block(1).load(word) + 8);
        peers.c.poll();
        CHECK(peers.c.peer.why == IVSHMEM_PEER_OVERWRITTEN);
        CHECK(ends.y.state == IVSHMEM_PEER_CHANNEL_CLOSED);
    }
    SECTION("a record that is not read") {
        REQUIRE(send(ends.y, "unread") == IVSHMEM_PEER_OK);
        peers.block(1).store(layout::block::ring, 0);
        peers.c.poll();
        CHECK(peers.c.peer.why == IVSHMEM_PEER_OVERWRITTEN);
    }
}

TEST_CASE("arguments out of their range are refused by name") {
    meeting server;
    const auto memory = copy_of(server);
    c_peer c{server.memory(), 1};
    auto& config = c.config;
    SECTION("a base that is not aligned") {
        config.memory = server.memory().data() + GENERATE(1, 2, 4);
        config.memory_size -= 4096;
        CHECK(c.begin() == IVSHMEM_PEER_INVALID);
    }
    SECTION("no memory") {
        config.memory = nullptr;
        CHECK(c.begin() == IVSHMEM_PEER_INVALID);
    }
    SECTION("no page") {
        config.memory_size = GENERATE(0U, 1U, 4095U);
        CHECK(c.begin() == IVSHMEM_PEER_INVALID);
    }
    SECTION("no clock") {
        config.hooks.now = nullptr;
        CHECK(c.begin() == IVSHMEM_PEER_INVALID);
    }
    SECTION("no random words") {
        config.hooks.random = nullptr;
        CHECK(c.begin() == IVSHMEM_PEER_INVALID);
    }
    SECTION("a heartbeat") {
        config.heartbeat = GENERATE(1U, 99U, 60001U);
        CHECK(c.begin() == IVSHMEM_PEER_INVALID);
    }
    SECTION("a region that is not made of pages, or leaves the memory") {
        const auto [offset, size] =
            GENERATE(table<std::size_t, std::size_t>({{1, 4096},
                                                      {4096, 4097},
                                                      {4096, 65536},
                                                      {65536, 4096},
                                                      {4096, 0},
                                                      {~0ULL << 12U, 8192}}));
        config.region_offset = offset;
        config.region_size = size;
        CHECK(c.begin() == IVSHMEM_PEER_INVALID);
    }
    SECTION("a geometry out of its ranges") {
        const auto [slots, lanes, size] =
            GENERATE(table<std::uint32_t, std::uint32_t, std::uint32_t>({{1, 1, 1024},
                                                                         {257, 1, 1024},
                                                                         {2, 0, 1024},
                                                                         {2, 1025, 1024},
                                                                         {2, 1, 512},
                                                                         {2, 1, 1025},
                                                                         {2, 1, 0},
                                                                         {2, 1, 0x20000000},
                                                                         {~0U, ~0U, ~0U}}));
        CHECK(c.with(slots, lanes, size).begin() == IVSHMEM_PEER_INVALID);
    }
    SECTION("a geometry that is larger than the region") {
        const auto [slots, lanes, size] =
            GENERATE(table<std::uint32_t, std::uint32_t, std::uint32_t>(
                {{2, 1, 32768}, {17, 1, 1024}, {2, 24, 1024}, {256, 1024, 0x10000000}}));
        CHECK(c.with(slots, lanes, size).begin() == IVSHMEM_PEER_TOO_SMALL);
    }
    SECTION("a memory that is too small for any geometry") {
        config.memory_size = 8192;
        CHECK(c.begin() == IVSHMEM_PEER_TOO_SMALL);
    }
    SECTION("a slot that the geometry does not have") {
        config.slot = GENERATE(2U, 3U, 255U, 0xfffffffeU);
        CHECK(c.with(2, 1, 1024).begin() == IVSHMEM_PEER_NO_SLOT);
    }
    CHECK(c.peer.phase == IVSHMEM_PEER_ENDED);
    CHECK(copy_of(server) == memory); // nothing was written
    CHECK(ivshmem_peer_poll(&c.peer) != 0);
}
