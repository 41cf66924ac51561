// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Headers are found where the layout puts them, and nowhere else.

#include "fixture.hpp"
#include "helpers/deadline.hpp"

#include <ivshmem/slot_claim.hpp>
#include <ivshmem/slot_section.hpp>

#include <algorithm>
#include <vector>

#include <sys/mman.h>

using namespace test;
using ivshmem::memory_region;
using ivshmem::region_geometry;
using ivshmem::slot_options;

namespace {

slot_options with(std::uint32_t number, std::optional<region_geometry> geometry = {},
                  std::optional<memory_region> region = {}) {
    slot_options options;
    options.number = number;
    options.geometry = geometry;
    options.region = region;
    return options;
}

/// The numbers of a header, which a peer can choose.
struct numbers {
    memory_region region;
    region_geometry geometry;
    std::uint64_t section;
};

numbers divided(memory_region region, region_geometry geometry) {
    return {region, geometry, region.size / geometry.slots / layout::page * layout::page};
}

/// Writes the header of a held slot, as any program that shares the memory can.
void forge(std::span<std::byte> memory, std::uint64_t at, const numbers& of, std::uint32_t slot,
           std::uint16_t peer, std::uint32_t version = layout::version) {
    const ivshmem::shared_words header{memory.data() + at, false};
    const auto put = [&](std::size_t word, std::uint64_t value) {
        header.store(word, static_cast<std::uint32_t>(value));
    };
    put(layout::header::magic, layout::magic);
    put(layout::header::version, version);
    put(layout::header::slots, of.geometry.slots);
    put(layout::header::lanes, of.geometry.lanes);
    put(layout::header::ring_size, of.geometry.ring_size);
    put(layout::header::slot, slot);
    put(layout::header::section_size_low, of.section);
    put(layout::header::section_size_high, of.section >> 32U);
    put(layout::header::region_offset_low, of.region.offset);
    put(layout::header::region_offset_high, of.region.offset >> 32U);
    put(layout::header::region_size_low, of.region.size);
    put(layout::header::region_size_high, of.region.size >> 32U);
    put(layout::header::peer, peer);
    put(layout::header::incarnation, 77);
}

} // namespace

TEST_CASE("the bytes of a message at any page are no header, also after all have left") {
    const deadline limit{20};
    meeting server{524288};
    const auto a = server.join(1);
    const auto b = server.join(2);
    const auto c = server.join(3);
    const bool first_is_there = GENERATE(true, false);
    const std::uint32_t slots = GENERATE(2U, 4U, 5U, 8U);
    const region_geometry large{4, 1, 32768};
    {
        const slot x = slot::claim(a, with(first_is_there ? 0 : 2, large));
        const slot y = slot::claim(b, with(1, large));
    }
    const std::uint64_t section = 524288 / 4;
    for (std::uint64_t page = layout::page; page < 524288; page += layout::page) {
        if (page % section == 0)
            continue;
        // The most convincing one that can be there: of a division of the whole, or of a region
        // that starts here.
        const region_geometry geometry{slots, 1, 1024};
        numbers of = divided({0, 524288}, geometry);
        std::uint32_t slot = 0;
        if (page % of.section == 0 && page / of.section < slots)
            slot = static_cast<std::uint32_t>(page / of.section);
        else if (524288 - page >= ivshmem::region_needed(geometry))
            of = divided({page, 524288 - page}, geometry);
        else
            of = {{page, layout::page}, geometry, 0};
        forge(server.memory(), page, of, slot, 1);
    }
    const auto all = std::vector(server.memory().begin(), server.memory().end());
    std::error_code ec;
    CHECK(slot::claim(c, with(3, region_geometry{4, 2, 1024}), ec).is_open());
    CHECK(ec == std::error_code{});
    CHECK(slot::claim(c, with(3), ec).is_open());
    CHECK(ec == std::error_code{});
    for (const auto& found : ivshmem::find_slot_sections(server.memory()))
        CHECK_FALSE(found.held);
    CHECK(
        std::equal(all.begin() + 8192, all.begin() + 8192 + 65536, server.memory().begin() + 8192));
}

TEST_CASE("numbers that a peer chose delay no claim") {
    const deadline limit{10};
    meeting server;
    const auto a = server.join(1);
    const auto b = server.join(2);
    const auto slots = GENERATE(0U, 1U, 2U, 32U, 256U, ~0U);
    const auto section =
        GENERATE(std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4096}, std::uint64_t{65536},
                 ~std::uint64_t{0}, ~std::uint64_t{0} << 12U);
    const auto version = GENERATE(0x10000U, 0x10001U, 0x20000U);
    for (std::uint64_t page = 0; page < 65536; page += layout::page)
        forge(server.memory(), page,
              {{section & ~std::uint64_t{4095}, ~std::uint64_t{4095}}, {slots, 4, 1024}, section},
              static_cast<std::uint32_t>(page / layout::page), 2, version);
    CHECK(refused(a, with(1, region_geometry{32, 4, 1024})) == errc::region_too_small);
    std::error_code ec;
    static_cast<void>(slot::claim(a, with(1), ec)); // ends, with or without an error
    static_cast<void>(ivshmem::find_slot_sections(server.memory()));
}

TEST_CASE("a memory that a peer with a larger one laid out is refused, and both sizes are named") {
    const deadline limit{10};
    meeting server{131072};
    const auto a = server.join(1);
    const std::uint64_t theirs = GENERATE(std::uint64_t{135168}, std::uint64_t{64} << 30U);
    forge(server.memory(), 0, divided({0, theirs}, {4, 1, 1024}), 0, 2);
    // Slot 0 was left, and the others may be held: their headers are beyond this memory.
    const ivshmem::shared_words header{server.memory().data(), false};
    header.store(layout::header::incarnation, GENERATE(0U, 77U));
    CHECK(refused(a, with(1)) == errc::region_too_small);
    CHECK(refused(a, with(0, region_geometry{4, 1, 4096})) == errc::region_too_small);
    std::string message;
    try {
        static_cast<void>(slot::claim(a, with(1)));
    } catch (const ivshmem::error& e) {
        message = e.what();
    }
    CHECK(message.find("131072 bytes here") != message.npos);
    CHECK(message.find(std::to_string(theirs) + " bytes or more") != message.npos);
    const auto found = ivshmem::find_slot_sections(server.memory());
    REQUIRE_FALSE(found.empty());
    CHECK(found.front().slots == 4);
    slot_options options = with(1);
    options.reformat = true;
    CHECK(slot::claim(a, options).is_open());
    CHECK(slot::claim(a, with(1)).is_open());
}

TEST_CASE("a claim touches a small part of a large memory") {
    constexpr std::size_t size = std::size_t{1} << 30U;
    void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(at != MAP_FAILED);
    const auto resident = [&] {
        std::vector<unsigned char> pages(size / layout::page);
        REQUIRE(::mincore(at, size, pages.data()) == 0);
        return static_cast<std::size_t>(std::count_if(
            pages.begin(), pages.end(), [](unsigned char p) { return (p & 1U) != 0; }));
    };
    CHECK(ivshmem::find_slot_sections({static_cast<std::byte*>(at), size}).empty());
    CHECK(resident() < 4096); // of 262144
    ::munmap(at, size);
}

TEST_CASE("of two peers that begin with two geometries at the same time one at most holds a slot") {
    const deadline limit{20};
    meeting server{524288};
    const auto a = server.join(1);
    const auto b = server.join(2);
    const std::uint32_t slot_a = GENERATE(0U, 1U, 3U);
    const std::uint32_t slot_b = GENERATE(0U, 1U, 6U);
    const int steps = GENERATE(0, 1, 2); // of the first before the second begins
    ivshmem::slot_claim first{a, with(slot_a, region_geometry{4, 1, 4096})};
    ivshmem::slot_claim second{b, with(slot_b, region_geometry{7, 1, 2048})};
    std::error_code of_first;
    std::error_code of_second;
    bool more_first = true;
    bool more_second = true;
    for (int i = 0; i < steps && more_first; ++i)
        more_first = first.step(of_first).count() != 0;
    while (more_first || more_second) {
        if (more_second)
            more_second = second.step(of_second).count() != 0;
        if (more_first)
            more_first = first.step(of_first).count() != 0;
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    slot x = first.take();
    slot y = second.take();
    std::error_code ec;
    if (x.is_open())
        x.answer_claims(ec);
    const bool x_holds = x.is_open() && !ec;
    if (y.is_open())
        y.answer_claims(ec);
    const bool y_holds = y.is_open() && !ec;
    CHECK_FALSE((x_holds && y_holds));
    CHECK((x_holds || y_holds));
    for (const auto& why : {of_first, of_second}) // the same slot may be in use
        CHECK((!why || why == errc::geometry_mismatch ||
               (slot_a == slot_b && why == errc::slot_in_use)));
}

TEST_CASE("a holder whose id this connection never saw is asked before it loses its slot") {
    const deadline limit;
    meeting server;
    const auto a = server.join(1);
    slot holder = claim(a, 0);
    // As if an earlier server of the same memory had given it that id.
    ivshmem::shared_words{server.memory().data(), false}.store(layout::header::peer, 9);
    CHECK_FALSE(claim_elsewhere(server, 0, [&] {
        std::this_thread::sleep_for(std::chrono::milliseconds{60});
        holder.answer_claims();
    }));
    holder.answer_claims();
}

TEST_CASE("an incarnation that changes without a claim is repaired, and conversations go on") {
    const deadline limit;
    two_holders peers;
    both_ends ends{peers};
    REQUIRE(ends.x.try_send(bytes("before")));
    const auto incarnation = peers.at_a.incarnation();
    const ivshmem::shared_words header{peers.server.memory().data(), false};
    CHECK(peers.at_a.repairs() == 0);
    const bool peer_looks_first = GENERATE(true, false);
    header.store(layout::header::incarnation, incarnation ^ 0x5555U);
    if (peer_looks_first)
        CHECK(ends.y.update() == ivshmem::channel_state::connected);
    peers.at_a.answer_claims();
    CHECK(peers.at_a.repairs() == 1);
    CHECK(header.load(layout::header::incarnation) == incarnation);
    header.store(layout::header::claim, 7); // a claim without the steps that follow
    peers.at_a.answer_claims();
    CHECK(header.load(layout::header::claim) == incarnation);
    CHECK(ends.x.update() == ivshmem::channel_state::connected);
    CHECK(ends.y.update() == ivshmem::channel_state::connected);
    CHECK(next(ends.y) == "before");
    CHECK(ends.y.try_send(bytes("after")));
    CHECK(next(ends.x) == "after");
}
