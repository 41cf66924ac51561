// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Uses shared memory in all ways; alignment.py watches each access to it. Prints where it is.

#include "topics_fixture.hpp"

#include <ivshmem/service_directory.hpp>

#include <array>
#include <cstdio>

using namespace test;

namespace {

void print_place(std::span<const std::byte> memory) {
    std::printf("region %zx %zx\n", reinterpret_cast<std::uintptr_t>(memory.data()), memory.size());
}

alignas(4096) std::array<std::byte, 65536> region; // NOLINT(*-non-const-global-variables)

/// All sizes, from and to buffers of any alignment.
void exchange(ivshmem_peer_channel& from, ivshmem_peer_channel& to) {
    const std::string sent = pattern(512);
    std::string got(512, '\0');
    std::uint32_t count = 0;
    for (std::uint32_t size = 0; size < 80; ++size) {
        const std::uint32_t odd = size % 8;
        REQUIRE(ivshmem_peer_send(&from, sent.data() + odd, size) == IVSHMEM_PEER_OK);
        REQUIRE(ivshmem_peer_receive(&to, got.data() + 7 - odd, 100, &count) == IVSHMEM_PEER_OK);
        REQUIRE(got.substr(7 - odd, size) == sent.substr(odd, size));
    }
    std::uint32_t done = 0;
    while (ivshmem_peer_send_some(&from, sent.data(), 500, &done) == IVSHMEM_PEER_AGAIN)
        REQUIRE(ivshmem_peer_receive(&to, got.data() + 1, 500, &count) == IVSHMEM_PEER_AGAIN);
    REQUIRE(ivshmem_peer_receive(&to, got.data() + 1, 500, &count) == IVSHMEM_PEER_OK);
    REQUIRE(got.substr(1, 500) == sent.substr(0, 500));
    for (std::uint32_t piece = 1; piece < 20; ++piece) { // a stream
        REQUIRE(ivshmem_peer_write(&from, sent.data(), 60, &count) == IVSHMEM_PEER_OK);
        for (std::uint32_t read = 0; read < 60; read += count)
            REQUIRE(ivshmem_peer_read(&to, got.data(), piece, &count) == IVSHMEM_PEER_OK);
    }
}

void publish_and_read(c_peer& from, c_peer& to) {
    c_writer out{from, 6};
    REQUIRE(out.create("a topic of any name", 1024) == IVSHMEM_PEER_OK);
    c_reader in{to, "a topic of any name", 1};
    std::string got(512, '\0');
    const std::string sent = pattern(512);
    for (std::uint32_t size = 0; size < 300; size += 7) {
        const std::uint32_t odd = size % 8;
        REQUIRE(out.send({sent.data() + odd, size}) == IVSHMEM_PEER_OK);
        ivshmem_peer_arm(&to.peer);
        REQUIRE(ivshmem_peer_topic_read(&in.r, got.data() + 7 - odd, 400, &in.m) ==
                IVSHMEM_PEER_OK);
        REQUIRE(got.substr(7 - odd, size) == sent.substr(odd, size));
    }
    ivshmem_peer_topic_end(&out.w);
    REQUIRE(in.read() == IVSHMEM_PEER_CLOSED);
}

} // namespace

TEST_CASE("two peers in C") {
    print_place(region);
    c_peer a{region, 0, 1};
    c_peer b{region, 1, 2};
    a.config.heartbeat = b.config.heartbeat = 1000;
    REQUIRE(a.with(2, 1, 2048).claim() == IVSHMEM_PEER_OK);
    REQUIRE(b.claim([&] { a.poll(); }) == IVSHMEM_PEER_OK);
    ivshmem_peer_channel x{};
    ivshmem_peer_channel y{};
    const auto key = ivshmem_peer_offer(&a.peer, "a service of any name");
    REQUIRE(ivshmem_peer_request(&b.peer, &y, "a service of any name", 512) == IVSHMEM_PEER_OK);
    REQUIRE(ivshmem_peer_accept(&a.peer, &x, key, 512) == IVSHMEM_PEER_OK);
    for (int i = 0; i < 4; ++i) {
        a.step();
        b.step();
    }
    exchange(x, y);
    exchange(y, x);
    publish_and_read(a, b);
    ivshmem_peer_arm(&a.peer);
    ivshmem_peer_close(&x);
    ivshmem_peer_leave(&b.peer);
}

// Without payload, which the library copies by memcpy().
TEST_CASE("the library and a peer in C") {
    two_kinds peers;
    print_place(peers.server.memory());
    two_ends ends{peers};
    REQUIRE(ivshmem_peer_offer(&peers.c.peer, "of the peer") != 0);
    ivshmem::service_directory services{peers.slot};
    REQUIRE(services.offer("of the library") != 0);
    REQUIRE(services.find_service("of the peer").key != 0);
    std::uint32_t slot = 9;
    REQUIRE(ivshmem_peer_find(&peers.c.peer, "of the library", &slot) != 0);
    for (int i = 0; i < 300; ++i) {
        REQUIRE(ends.x.try_send({}));
        REQUIRE(receive(ends.y).result == IVSHMEM_PEER_OK);
        REQUIRE(send(ends.y, "") == IVSHMEM_PEER_OK);
        REQUIRE(next(ends.x) == "");
    }
    ends.x.close();
}
