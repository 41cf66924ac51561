// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Headers that no library wrote: of another version, of a larger memory, and invented ones.

#include "channel/division.hpp"
#include "fixture.hpp"

using namespace test;

namespace {

/// Numbers that a header may contain.
struct numbers {
    std::uint64_t offset, size;
    ivshmem::region_geometry geometry;
    std::uint64_t section;
};

numbers divided(std::uint64_t size, const ivshmem::region_geometry& g) {
    return {0, size, g, size / g.slots / layout::page * layout::page};
}

/// Writes the header of a held slot.
void forge(const meeting& of, std::size_t offset, const numbers& n, std::uint32_t slot) {
    const auto header = at(of, offset);
    const auto put = [&](std::size_t word, std::uint64_t value) {
        header.store(word, static_cast<std::uint32_t>(value));
    };
    put(layout::header::magic, layout::magic);
    put(layout::header::version, layout::version);
    put(layout::header::slots, n.geometry.slots);
    put(layout::header::lanes, n.geometry.lanes);
    put(layout::header::ring_size, n.geometry.ring_size);
    put(layout::header::slot, slot);
    put(layout::header::section_size_low, n.section);
    put(layout::header::section_size_high, n.section >> 32U);
    put(layout::header::region_offset_low, n.offset);
    put(layout::header::region_offset_high, n.offset >> 32U);
    put(layout::header::region_size_low, n.size);
    put(layout::header::region_size_high, n.size >> 32U);
    put(layout::header::peer, 9);
    put(layout::header::claim, 77);
    put(layout::header::incarnation, 77);
}

} // namespace

TEST_CASE("a peer of another version, or with a larger memory, is refused by name") {
    meeting server;
    c_peer c{server.memory(), 1};
    const std::uint64_t size = server.memory().size();
    SECTION("another major version") {
        forge(server, size / 2, divided(size, {2, 1, 1024}), 1);
        at(server, size / 2).store(layout::header::version, 0x20000);
        CHECK(c.begin() == IVSHMEM_PEER_VERSION);
    }
    SECTION("version 1.0, which names no region") {
        forge(server, 0, divided(size, {2, 1, 1024}), 0);
        at(server, 0).store(layout::header::version, 0x10000);
        at(server, 0).store(layout::header::region_size_low, 5);
        CHECK(c.claim() == IVSHMEM_PEER_OK);
        CHECK(c.peer.division.slots == 2);
        CHECK(c.peer.division.lanes == 1);
    }
    SECTION("a later minor version") {
        forge(server, 0, divided(size, {2, 1, 1024}), 0);
        at(server, 0).store(layout::header::version, 0x10007);
        CHECK(c.claim() == IVSHMEM_PEER_OK);
        CHECK(c.peer.division.lanes == 1);
    }
    SECTION("a larger memory") {
        const std::uint64_t theirs = GENERATE(std::uint64_t{135168}, std::uint64_t{64} << 30U);
        forge(server, 0, divided(theirs, {4, 1, 1024}), 0);
        at(server, 0).store(layout::header::incarnation, GENERATE(0U, 77U));
        CHECK(c.begin() == IVSHMEM_PEER_TOO_SMALL);
    }
}

TEST_CASE("headers that a peer invents delay no claim, and crash nothing") {
    const deadline limit;
    const auto slots = GENERATE(0U, 1U, 2U, 32U, 256U, ~0U);
    const auto section =
        GENERATE(std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4096}, std::uint64_t{65536},
                 ~std::uint64_t{0}, ~std::uint64_t{0} << 12U);
    const auto version = GENERATE(0x10000U, 0x10001U, 0x20000U);
    meeting server;
    for (std::size_t page = 0; page < 65536; page += layout::page) {
        const numbers d{
            section & ~std::uint64_t{4095}, ~std::uint64_t{4095}, {slots, 4, 1024}, section};
        forge(server, page, d, static_cast<std::uint32_t>(page / layout::page));
        at(server, page).store(layout::header::version, version);
    }
    c_peer c{server.memory(), 1};
    static_cast<void>(c.claim());
    CHECK(c.peer.phase != IVSHMEM_PEER_CLAIMING);
}
