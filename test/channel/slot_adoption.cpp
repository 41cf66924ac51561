// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The parts of the memory that are taken for headers and for closed lanes.

#include "fixture.hpp"
#include "helpers/deadline.hpp"

#include <algorithm>
#include <array>
#include <vector>

using namespace test;
using ivshmem::slot_options;

namespace {

constexpr ivshmem::region_geometry three_slots{3, 1, 65536};
constexpr std::size_t region = 524288;
constexpr std::size_t section = region / 3 / layout::page * layout::page;

/// A header that a peer may write into a message.
struct forged {
    std::uint32_t version;
    std::uint32_t slot;
    std::uint32_t section_size;
};

/// A slot number out of range. Other forgeries are at the offset of their slot, if that is any
/// multiple of a page.
constexpr std::uint32_t nowhere = 0xffff;
constexpr std::array<forged, 5> forgeries{{{0x20000, nowhere, layout::page},
                                           {0x20000, 1, 0},
                                           {layout::version, 1, 0},
                                           {0, 1, 0},
                                           {layout::version + 1, 1, 0}}};

/// A message of several pages. Each page begins with a header when the message is in the ring.
std::vector<std::byte> message_with(const forged& f, std::uint16_t holder, std::size_t in_slot) {
    constexpr std::size_t before =
        layout::header::size + layout::block::ring + layout::record_header;
    std::vector<std::byte> message(20000, std::byte{'m'});
    for (std::size_t page = 2 * layout::page; page + 0x80 < before + message.size();
         page += layout::page) {
        const auto put = [&](std::size_t offset, std::uint32_t word) {
            std::memcpy(message.data() + page - before + offset, &word, sizeof word);
        };
        put(layout::header::magic, layout::magic);
        put(layout::header::version, f.version);
        put(layout::header::slots, 2);
        put(layout::header::lanes, 1);
        put(layout::header::ring_size, 1024);
        put(layout::header::slot, f.slot);
        put(layout::header::section_size_low,
            f.slot == nowhere ? f.section_size
                              : static_cast<std::uint32_t>(section * in_slot + page));
        put(layout::header::section_size_high, 0);
        put(layout::header::region_offset_low, 0);
        put(layout::header::region_offset_high, 0);
        put(layout::header::region_size_low, region);
        put(layout::header::region_size_high, 0);
        put(layout::header::incarnation, 7);
        put(layout::header::peer, holder);
    }
    return message;
}

std::optional<std::vector<std::byte>> received(channel& from) {
    std::vector<std::byte> message(32768);
    std::error_code ec;
    const auto size = from.try_receive(message, ec);
    CHECK_FALSE(ec);
    if (!size)
        return std::nullopt;
    message.resize(*size);
    return message;
}

/// The options of a newcomer that claims slot 2.
slot_options third(bool knows_the_geometry, bool reformat) {
    slot_options options;
    options.number = 2;
    if (knows_the_geometry)
        options.geometry = three_slots;
    options.reformat = reformat;
    return options;
}

} // namespace

TEST_CASE("a message that looks like headers blocks no newcomer, and stays intact") {
    const deadline limit{10};
    const auto f = GENERATE(from_range(forgeries));
    const auto how = GENERATE(0, 1, 2); // by that geometry, by reformat, by the present geometry
    INFO("version " << f.version << ", slot " << f.slot << ", as in " << how);
    two_holders peers{three_slots, region};
    both_ends ends{peers};
    const auto to_y = message_with(f, peers.a.id(), 0);
    const auto to_x = message_with(f, peers.b.id(), 1);
    REQUIRE(ends.x.try_send(to_y));
    REQUIRE(ends.y.try_send(to_x));
    const auto c = peers.server.join(3);
    const auto join = [&] {
        std::error_code ec;
        const slot newcomer = slot::claim(c, third(how != 2, how == 1), ec);
        REQUIRE(ec == std::error_code{});
        CHECK(newcomer.geometry() == three_slots);
    };
    join();
    CHECK((received(ends.y) == to_y));
    CHECK((received(ends.x) == to_x));
    join(); // the message is still in the memory
    std::error_code ec;
    peers.at_a.answer_claims(ec);
    CHECK_FALSE(ec);
    peers.at_b.answer_claims(ec);
    CHECK_FALSE(ec);
    CHECK(ends.x.try_send(bytes("goes on")));
    CHECK(next(ends.y).has_value());
}

TEST_CASE("the rest of a departed peer's message is no header at an offset where no slot can be") {
    two_holders peers{three_slots, region};
    both_ends ends{peers};
    REQUIRE(ends.x.try_send(message_with(forgeries[0], peers.b.id(), 0)));
    ends.x.close();
    peers.at_a.close();
    const auto before =
        std::vector(peers.server.memory().begin() + 8192, peers.server.memory().begin() + 16384);
    const auto c = peers.server.join(3);
    for (const bool reformat : {false, true}) {
        std::error_code ec;
        CHECK(slot::claim(c, third(true, reformat), ec).is_open());
        CHECK(ec == std::error_code{});
    }
    CHECK(std::equal(before.begin(), before.end(), peers.server.memory().begin() + 8192));
}

TEST_CASE("a lane that the peer has rejected comes last, because the peer may still have it open") {
    two_holders peers;
    const ivshmem::service_directory at_a{peers.at_a};
    channel x = channel::open(peers.at_a, 1, 1);
    channel y = channel::open(peers.at_b, 0, 1);
    meet(x, y);
    REQUIRE(y.state() == ivshmem::channel_state::connected);
    ivshmem::channel_driver{y}.reject(ivshmem::layout_violation::sequence);
    CHECK(x.update() == ivshmem::channel_state::rejected);
    CHECK(at_a.find_lane(1) == 0);
    x.close();
    CHECK(at_a.find_lane(1) == 0);
    channel other = channel::open(peers.at_a, 1, 0);
    CHECK(at_a.find_lane(1) == 1);
    channel asks = channel::open(peers.at_a, 1, 1);
    std::error_code ec;
    CHECK(at_a.find_lane(1, ec) == 0);
    CHECK(ec == errc::lane_in_use);
    other.close();
    CHECK(at_a.find_lane(1, ec) == 0);
    CHECK_FALSE(ec);
    // After the peer has closed it or opened it again, the lane is like the others.
    y.reopen();
    meet(asks, y);
    CHECK(asks.state() == ivshmem::channel_state::connected);
    asks.close();
    y.close();
    CHECK(at_a.find_lane(1) == 1);
}

TEST_CASE("the default geometry leaves an eighth of the region to later versions, if it can") {
    for (const std::size_t size :
         {81920U, 98304U, 131072U, 262144U, 400000U / 4096U * 4096U, 1U << 22U}) {
        meeting server{size};
        const auto a = server.join(1);
        ivshmem::slot_options options;
        options.number = 3;
        const auto geometry = slot::claim(a, options).geometry();
        CHECK(geometry.slots == 4);
        CHECK(geometry.lanes == 4);
        const auto needed = ivshmem::region_needed(geometry);
        CHECK((needed <= size - size / 8 || geometry.ring_size == 1024));
        // Twice the rings would not leave it.
        CHECK(ivshmem::region_needed({4, 4, geometry.ring_size * 2}) > size - size / 8);
        const auto section = size / 4 / layout::page * layout::page;
        const auto last = server.memory().subspan(section * 3 + needed / 4, section - needed / 4);
        CHECK(std::all_of(last.begin(), last.end(), [](std::byte b) { return b == std::byte{0}; }));
    }
}
