// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// "On ivshmem-v2" of channel-layout.md, for peers in C: the device divides the memory, and has
// states.

#include "fixture.hpp"

#include <array>
#include <cstring>

using namespace test;

namespace {

constexpr std::size_t section_size = 32768;

/// A device with three peers: its output sections, and its state table.
struct v2_device {
    alignas(4096) std::array<std::byte, 3 * section_size> sections{};
    std::array<std::uint32_t, 3> states{};
};

v2_device* device = nullptr; // of the test that runs

/// A peer at that device.
struct v2_peer : c_peer {
    explicit v2_peer(std::uint16_t id) : c_peer{device->sections, 77, id} {
        config.own_section = device->sections.data() + id * section_size;
        config.section_size = section_size;
        config.max_peers = 3;
        config.hooks.state = [](void*, std::uint32_t of) {
            return device->states.at(of);
        };
        config.hooks.set_state = [](void* self, std::uint32_t value) {
            device->states.at(static_cast<v2_peer*>(self)->config.id) = value;
        };
    }
};

/// One whose sections are not neighbours in memory: here they lie in the opposite order.
struct scattered_peer : v2_peer {
    explicit scattered_peer(std::uint16_t id) : v2_peer{id} {
        config.own_section = section(id);
        config.memory = config.own_section;
        config.hooks.section = [](void*, std::uint32_t of) -> const void* {
            return section(of);
        };
    }
    static std::byte* section(std::uint32_t id) {
        return device->sections.data() + (2 - id) * section_size;
    }
};

} // namespace

TEST_CASE("on ivshmem-v2 the sections of other peers are where the hook says") {
    v2_device all;
    device = &all;
    scattered_peer a{0};
    scattered_peer b{1};
    REQUIRE(a.with(3, 2, 1024).begin() == IVSHMEM_PEER_OK);
    REQUIRE(b.begin() == IVSHMEM_PEER_OK);
    CHECK(b.peer.division.lanes == 2);
    ivshmem_peer_channel x{};
    ivshmem_peer_channel y{};
    REQUIRE(ivshmem_peer_open(&a.peer, &x, 1, 0, 100) == IVSHMEM_PEER_OK);
    REQUIRE(ivshmem_peer_open(&b.peer, &y, 0, 0, 100) == IVSHMEM_PEER_OK);
    for (int i = 0; i < 3; ++i) {
        a.poll();
        b.poll();
    }
    REQUIRE(ivshmem_peer_send(&x, "hello", 5) == IVSHMEM_PEER_OK);
    std::array<char, 100> into{};
    std::uint32_t size = 0;
    REQUIRE(ivshmem_peer_receive(&y, into.data(), into.size(), &size) == IVSHMEM_PEER_OK);
    CHECK(std::string_view{into.data(), size} == "hello");
}

TEST_CASE("on ivshmem-v2 the slot is the id, and a peer without a state is not there") {
    v2_device all;
    device = &all;
    v2_peer a{0};
    v2_peer b{2};
    REQUIRE(a.with(3, 2, 1024).begin() == IVSHMEM_PEER_OK);
    CHECK(a.holds()); // at once
    CHECK(a.peer.slot == 0);
    CHECK(all.states[0] == 1);
    REQUIRE(b.begin() == IVSHMEM_PEER_OK);
    CHECK(b.peer.slot == 2);
    CHECK(b.peer.division.lanes == 2);
    ivshmem_peer_channel x{};
    ivshmem_peer_channel y{};
    REQUIRE(ivshmem_peer_offer(&a.peer, "echo") != 0);
    REQUIRE(ivshmem_peer_request(&b.peer, &y, "echo", 100) == IVSHMEM_PEER_OK);
    REQUIRE(ivshmem_peer_accept(&a.peer, &x, a.peer.services[0].key, 100) == IVSHMEM_PEER_OK);
    for (int i = 0; i < 3; ++i) {
        a.poll();
        b.poll();
    }
    REQUIRE(send(y, "ask") == IVSHMEM_PEER_OK);
    CHECK(receive(x).text == "ask");
    SECTION("it leaves") {
        ivshmem_peer_leave(&b.peer);
        CHECK(all.states[2] == 0);
        CHECK(receive(x).result == IVSHMEM_PEER_CLOSED);
    }
    SECTION("it is reset") {
        all.states[2] = 0;
        a.poll();
        CHECK(send(x, "x") == IVSHMEM_PEER_LOST);
        CHECK(ivshmem_peer_is_lost(&a.peer, 2));
    }
    SECTION("another geometry") {
        v2_peer other{1};
        CHECK(other.with(3, 1, 1024).begin() == IVSHMEM_PEER_MISMATCH);
        all.states[0] = all.states[2] = 0;
        CHECK(other.begin() == IVSHMEM_PEER_OK);
    }
    SECTION("another version") {
        v2_peer other{1};
        const std::uint32_t version = 0x20000;
        std::memcpy(all.sections.data() + layout::header::version, &version, 4);
        CHECK(other.with(0, 0, 0).begin() == IVSHMEM_PEER_VERSION);
    }
    SECTION("ids and sections that are none") {
        v2_peer other{3};
        CHECK(other.begin() == IVSHMEM_PEER_NO_SLOT);
        v2_peer none{1};
        none.config.section_size = 5000;
        CHECK(none.begin() == IVSHMEM_PEER_INVALID);
    }
}
