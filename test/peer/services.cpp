// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Services by name, offered and requested by either kind of peer.

#include "fixture.hpp"

using namespace test;
using ivshmem::channel_state;
using ivshmem::service_directory;

TEST_CASE("the library asks for a service of a peer in C, again and again") {
    two_kinds peers;
    const std::uint32_t key = ivshmem_peer_offer(&peers.c.peer, "echo");
    REQUIRE(key != 0);
    service_directory directory{peers.slot};
    const auto found = directory.find_service("echo");
    CHECK(found.slot == 1);
    CHECK(found.key == key);
    ivshmem_peer_channel y{};
    CHECK(ivshmem_peer_accept(&peers.c.peer, &y, key, 100) == IVSHMEM_PEER_AGAIN);
    for (int i = 0; i < 3; ++i) {
        channel x = channel::open(peers.slot, 1, directory.find_lane(1), {.service = key});
        REQUIRE(ivshmem_peer_accept(&peers.c.peer, &y, key, 100) == IVSHMEM_PEER_OK);
        CHECK(ivshmem_peer_accept(&peers.c.peer, &y, key, 100) == IVSHMEM_PEER_IN_USE);
        meet(x, peers.c);
        REQUIRE(x.state() == channel_state::connected);
        CHECK(x.try_send(bytes("ask")));
        CHECK(receive(y).text == "ask");
        ivshmem_peer_close(&y);
        // The client has not noticed yet, and requests nothing new.
        CHECK(ivshmem_peer_accept(&peers.c.peer, &y, key, 100) == IVSHMEM_PEER_AGAIN);
        if (i == 1) {
            x.reopen();
            REQUIRE(ivshmem_peer_accept(&peers.c.peer, &y, key, 100) == IVSHMEM_PEER_OK);
            meet(x, peers.c);
            REQUIRE(x.state() == channel_state::connected);
            ivshmem_peer_close(&y);
        }
    }
}

TEST_CASE("a peer in C asks for a service of the library") {
    two_kinds peers;
    service_directory directory{peers.slot};
    ivshmem_peer_channel y{};
    std::uint32_t slot = 99;
    CHECK(ivshmem_peer_find(&peers.c.peer, "echo", &slot) == 0);
    CHECK(ivshmem_peer_request(&peers.c.peer, &y, "echo", 100) == IVSHMEM_PEER_UNKNOWN);
    const auto key = directory.offer("echo");
    CHECK(ivshmem_peer_find(&peers.c.peer, "ech", &slot) == 0);
    CHECK(ivshmem_peer_find(&peers.c.peer, "echos", &slot) == 0);
    CHECK(ivshmem_peer_find(&peers.c.peer, "", &slot) == 0);
    CHECK(ivshmem_peer_find(&peers.c.peer, "echo", &slot) == key);
    CHECK(slot == 0);
    for (int i = 0; i < 3; ++i) {
        REQUIRE(ivshmem_peer_request(&peers.c.peer, &y, "echo", 100) == IVSHMEM_PEER_OK);
        const auto request = directory.find_request(key);
        REQUIRE(request.has_value());
        channel x = channel::open(peers.slot, 1, request->lane, {.offered = key});
        meet(x, peers.c);
        REQUIRE(y.state == IVSHMEM_PEER_CHANNEL_CONNECTED);
        CHECK(send(y, "ask") == IVSHMEM_PEER_OK);
        CHECK(next(x) == "ask");
        x.close();
        CHECK(receive(y).result == IVSHMEM_PEER_CLOSED);
        ivshmem_peer_close(&y);
    }
    directory.withdraw(key);
    CHECK(ivshmem_peer_find(&peers.c.peer, "echo", &slot) == 0);
}

TEST_CASE("names: what is none, the longest, all entries, and one that is withdrawn") {
    two_kinds peers;
    auto& c = peers.c.peer;
    service_directory directory{peers.slot};
    const std::string longest(59, 'n');
    const std::string longer(60, 'n');
    for (const char* none : {"", "a\nb", "\x7f", longer.c_str()})
        CHECK(ivshmem_peer_offer(&c, none) == 0);
    const auto first = ivshmem_peer_offer(&c, longest.c_str());
    REQUIRE(first != 0);
    CHECK(directory.find_service(longest).key == first);
    CHECK(ivshmem_peer_offer(&c, longest.c_str()) == 0); // it is offered
    CHECK(ivshmem_peer_offer(&c, "gr\xc3\xbc\xc3\x9f") != 0);
    CHECK(directory.find_service("gr\xc3\xbc\xc3\x9f").slot == 1);
    CHECK(ivshmem_peer_offer(&c, "three") != 0);
    const auto fourth = ivshmem_peer_offer(&c, "four");
    CHECK(fourth != 0);
    CHECK(ivshmem_peer_offer(&c, "five") == 0);
    ivshmem_peer_withdraw(&c, first);
    std::error_code ec;
    static_cast<void>(directory.find_service(longest, std::nullopt, ec));
    CHECK(ec == errc::service_unknown);
    const auto fifth = ivshmem_peer_offer(&c, "five");
    CHECK(fifth != 0);
    CHECK(fifth != first);
    CHECK(directory.find_service("five").key == fifth);
    peers.c.poll();
    CHECK(peers.c.holds());
    std::uint32_t slot = 0;
    const auto at_library = directory.offer(longest);
    CHECK(ivshmem_peer_find(&c, longest.c_str(), &slot) == at_library);
}

TEST_CASE("two clients on one lane: that of the lower slot keeps it") {
    two_kinds peers;
    service_directory directory{peers.slot};
    const auto of_library = directory.offer("library");
    const auto of_c = ivshmem_peer_offer(&peers.c.peer, "c");
    ivshmem_peer_channel y{};
    REQUIRE(ivshmem_peer_request(&peers.c.peer, &y, "library", 100) == IVSHMEM_PEER_OK);
    CHECK(y.lane == 1);
    channel x;
    SECTION("both request") {
        x = channel::open(peers.slot, 1, 1, {.service = of_c});
        peers.c.poll();
        CHECK(y.lane == 0); // slot 1 gave way
        ivshmem_peer_channel served{};
        REQUIRE(ivshmem_peer_accept(&peers.c.peer, &served, of_c, 100) == IVSHMEM_PEER_OK);
        CHECK(served.lane == 1);
        meet(x, peers.c);
        CHECK(x.state() == channel_state::connected);
        ivshmem_peer_close(&served);
    }
    SECTION("the library opens the lane by its number") {
        x = channel::open(peers.slot, 1, 1);
        peers.c.poll();
        CHECK(y.lane == 0);
    }
    SECTION("no lane is left: it waits") {
        x = channel::open(peers.slot, 1, 1);
        channel other = channel::open(peers.slot, 1, 0);
        peers.c.poll();
        CHECK(y.lane == 1);
        other.close();
        peers.c.poll();
        CHECK(y.lane == 0);
    }
    const auto request = directory.find_request(of_library);
    REQUIRE(request.has_value());
    CHECK(request->lane == 0);
    channel answers = channel::open(peers.slot, 1, 0, {.offered = of_library});
    meet(answers, peers.c);
    CHECK(y.state == IVSHMEM_PEER_CHANNEL_CONNECTED);
}

TEST_CASE("of two clients on one lane, a peer in C in the lower slot keeps it") {
    meeting server;
    const auto device = server.join(1);
    const auto slot = claim(device, 1);
    c_peer c{server.memory(), 0};
    REQUIRE(c.claim() == IVSHMEM_PEER_OK);
    service_directory directory{slot};
    directory.offer("library");
    const auto key = ivshmem_peer_offer(&c.peer, "c");
    ivshmem_peer_channel y{};
    REQUIRE(ivshmem_peer_request(&c.peer, &y, "library", 100) == IVSHMEM_PEER_OK);
    channel x = channel::open(slot, 0, y.lane, {.service = key});
    for (int i = 0; i < 3; ++i)
        c.poll();
    CHECK(y.lane == 1);
    x.update();
    CHECK(ivshmem::channel_driver{x}.is_contested());
}

TEST_CASE("lanes that are in use, or whose other side reported a fault, are not the first choice") {
    two_kinds peers;
    service_directory directory{peers.slot};
    directory.offer("library");
    ivshmem_peer_channel y{};
    ivshmem_peer_channel z{};
    channel x = channel::open(peers.slot, 1, 1);
    SECTION("in use here") {
        REQUIRE(ivshmem_peer_open(&peers.c.peer, &y, 0, 1, 100) == IVSHMEM_PEER_OK);
    }
    SECTION("in use there") {}
    SECTION("with a fault") {
        REQUIRE(ivshmem_peer_open(&peers.c.peer, &y, 0, 1, 100) == IVSHMEM_PEER_OK);
        meet(x, peers.c);
        ivshmem::channel_driver{x}.reject(ivshmem::layout_violation::total);
        ivshmem_peer_close(&y);
    }
    REQUIRE(ivshmem_peer_request(&peers.c.peer, &z, "library", 100) == IVSHMEM_PEER_OK);
    CHECK(z.lane == 0);
    ivshmem_peer_channel more{};
    const auto last = ivshmem_peer_request(&peers.c.peer, &more, "library", 100);
    if (x.state() == channel_state::poisoned) {
        CHECK(last == IVSHMEM_PEER_OK);
        CHECK(more.lane == 1);
    } else {
        CHECK(last == IVSHMEM_PEER_FULL);
    }
}
