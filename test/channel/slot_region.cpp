// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The application's part of the memory, and channels whose section is overwritten.

#include "fixture.hpp"
#include "helpers/deadline.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

using namespace test;
using ivshmem::memory_region;
using ivshmem::slot_options;

namespace {

slot_options in_region(std::uint32_t number, std::optional<memory_region> region) {
    slot_options options;
    options.number = number;
    options.region = region;
    options.geometry = two_slots;
    return options;
}

} // namespace

TEST_CASE("channels do not touch the application's part of the memory") {
    const deadline limit;
    meeting server;
    const auto a = server.join(1);
    const auto b = server.join(2);
    const memory_region region = GENERATE(memory_region{8192, 57344}, memory_region{0, 57344});
    std::fill(server.memory().begin(), server.memory().end(), std::byte{'x'});
    slot first = slot::claim(a, in_region(0, region));
    CHECK(first.region() == region);
    slot second = slot::claim(b, in_region(1, {})); // with the region of the peers
    CHECK(second.region() == region);
    REQUIRE(first.find_holder(1).has_value());
    REQUIRE(second.find_holder(0).has_value());
    const auto own = second.application_memory();
    CHECK(own.size() == 8192);
    CHECK(own.data() == b.memory().data() + (region.offset == 0 ? region.size : 0));
    channel x = channel::open(first, 1, 0);
    channel y = channel::open(second, 0, 0);
    meet(x, y);
    CHECK(x.try_send(bytes("text")));
    CHECK(next(y) == "text");
    CHECK(std::all_of(own.begin(), own.end(), [](std::byte at) { return at == std::byte{'x'}; }));
    std::fill(own.begin(), own.end(), std::byte{'y'});
    first.answer_claims();
    second.answer_claims();
    CHECK(y.try_send(bytes("back")));
    CHECK(next(x) == "back");
}

TEST_CASE("overlapping regions are refused, separate ones are independent") {
    const deadline limit;
    meeting server;
    const auto a = server.join(1);
    const auto b = server.join(2);
    const slot first = slot::claim(a, in_region(0, memory_region{0, 32768}));
    CHECK(refused(b, in_region(1, memory_region{0, 65536})) == errc::geometry_mismatch);
    CHECK(refused(b, in_region(1, memory_region{16384, 32768})) == errc::geometry_mismatch);
    const slot other = slot::claim(b, in_region(1, memory_region{32768, 32768}));
    CHECK(other.holders().empty());
    CHECK(first.holders().empty());
    for (const auto& wrong :
         {memory_region{0, 0}, memory_region{0, 65536 + 4096}, memory_region{100, 4096},
          memory_region{0, 5000}, memory_region{65536, 4096}, memory_region{~0ULL << 12U, 8192}})
        CHECK(refused(b, in_region(1, wrong)) == std::errc::invalid_argument);
}

TEST_CASE("a header of version 1.0 names no region and stands for all of the memory") {
    two_holders peers;
    const ivshmem::shared_words header{peers.server.memory().data(), false};
    header.store(layout::header::version, 0x00010000);
    for (const auto word : {layout::header::region_offset_low, layout::header::region_offset_high,
                            layout::header::region_size_low, layout::header::region_size_high})
        header.store(word, 0);
    CHECK(peers.at_b.find_holder(0).has_value());
}

namespace {

struct part {
    const char* name;
    std::size_t offset; ///< in the section of slot 0
    std::size_t size;
};

constexpr std::size_t in_block = layout::header::size;
constexpr std::array<part, 13> parts{{
    {"the magic", layout::header::magic, 1},
    {"the geometry", layout::header::slots, 12},
    {"the header", 0, layout::header::size},
    {"the incarnation and the claim", layout::header::incarnation, 8},
    {"the key of a service", layout::header::directory, 4},
    {"the name of a service", layout::header::directory + layout::directory_name, 8},
    {"an epoch", in_block + layout::block::epoch, 4},
    {"an acknowledgement", in_block + layout::block::ack, 4},
    {"the flags", in_block + layout::block::flags, 4},
    {"the cursor", in_block + layout::block::cursor, 4},
    {"a block", in_block, layout::block::ring},
    {"the head of a record", in_block + layout::block::ring, 4},
    {"a section", 0, 32768},
}};

/// Updates both sides until each has reported an error.
std::error_code end_of_use(two_holders& peers, both_ends& ends, slot& at, channel& of) {
    std::error_code ec;
    for (int i = 0; i < 4 && !ec; ++i) {
        peers.at_a.answer_claims(ec);
        ends.x.update(ec);
        ends.y.update(ec);
        at.answer_claims(ec);
        if (!ec)
            of.update(ec);
        if (!ec)
            next(of, ec);
    }
    return ec;
}

} // namespace

TEST_CASE("overwriting a section ends its channels with an error") {
    const deadline limit;
    const auto over = GENERATE(from_range(parts));
    const auto with = GENERATE(std::byte{0}, std::byte{42}, std::byte{0xff});
    INFO(over.name << " with " << std::to_integer<int>(with));
    two_holders peers;
    ivshmem::service_directory{peers.at_a}.offer("service");
    both_ends ends{peers};
    REQUIRE(ends.y.try_send(bytes("text")));
    REQUIRE(next(ends.x) == "text"); // advances the cursor
    REQUIRE(ends.x.try_send(bytes("text")));
    const auto memory = peers.server.memory();
    const std::vector<std::byte> before(memory.begin(), memory.end());
    std::fill_n(memory.begin() + static_cast<std::ptrdiff_t>(over.offset), over.size, with);
    if (std::equal(before.begin(), before.end(), memory.begin()))
        return; // the value was there before
    const auto of_client = end_of_use(peers, ends, peers.at_b, ends.y);
    const auto of_server = end_of_use(peers, ends, peers.at_a, ends.x);
    UNSCOPED_INFO("client: " << of_client.message());
    UNSCOPED_INFO("server: " << of_server.message());
    CHECK(of_client);
    CHECK(of_server);
    // The server starts again, and new clients find it.
    ends.x.close();
    peers.at_a.close();
    peers.at_a = claim(peers.a, 0);
    ivshmem::service_directory{peers.at_a}.offer("service");
    CHECK(ivshmem::service_directory{peers.at_b}.find_service("service").slot == 0);
    ends.x = channel::open(peers.at_a, 1, 0);
    ends.y.reopen();
    meet(ends.x, ends.y);
    CHECK(ends.y.state() == ivshmem::channel_state::connected);
}
