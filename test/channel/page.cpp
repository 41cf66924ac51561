// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Answers of channel-layout.md that only a peer which somebody else wrote makes use of.

#include "fixture.hpp"
#include "helpers/deadline.hpp"

#include <ivshmem/asio/waiting_options.hpp>

using namespace test;
using ivshmem::layout_violation;

namespace {

/// Writes a record into the ring of the second holder, as a peer that was written from the page.
void write_record(const two_holders& peers, std::uint32_t place, layout::kind k,
                  std::uint32_t length, std::uint32_t total) {
    const auto ring = peers.block(1).at(layout::block::ring);
    ring.store(place + layout::record_total, total);
    ring.store((place + layout::record_size(length)) % two_slots.ring_size, 0);
    ring.publish(place, layout::record_valid |
                            static_cast<std::uint32_t>(k) << layout::record_kind_shift | length);
}

ivshmem::shared_words header_of(const two_holders& peers, std::uint32_t slot) {
    return {peers.server.memory().data() + peers.server.memory().size() / 2 * slot, false};
}

} // namespace

TEST_CASE("a receiver takes a record over half of the ring") {
    two_holders peers;
    both_ends ends{peers};
    for (std::uint32_t i = 0; i < 1000; ++i)
        peers.block(1).at(layout::block::ring + layout::record_header).bytes(i, 1)[0] =
            std::byte{'x'};
    write_record(peers, 0, layout::kind::last, 1000, 1000);
    CHECK(next(ends.x) == std::string(1000, 'x'));
}

TEST_CASE("a pad ends exactly at the end of the ring, and its total is ignored") {
    const std::uint32_t length = GENERATE(1000U, 992U, 1008U, 1016U);
    two_holders peers;
    both_ends ends{peers};
    CHECK(ends.y.try_send(bytes("one")));
    CHECK(next(ends.x) == "one");
    write_record(peers, 16, layout::kind::pad, length, ~0U);
    if (length == 1000) {
        CHECK_FALSE(next(ends.x).has_value());
        write_record(peers, 0, layout::kind::last, 0, 0);
        CHECK(next(ends.x) == "");
    } else {
        CHECK(end_of(ends.x) == errc::channel_poisoned);
        CHECK(ends.x.violation() ==
              (length < 1000 ? layout_violation::sequence : layout_violation::record));
    }
}

TEST_CASE("the peer reads the reason of a wrong abandon in the flags") {
    two_holders peers;
    both_ends ends{peers};
    write_record(peers, 0, layout::kind::abandon, 0, 0);
    CHECK(end_of(ends.x) == errc::channel_poisoned);
    CHECK((peers.block(0).load(layout::block::flags) & 0xff00U) == 4U << 8U);
    CHECK(end_of(ends.y) == errc::channel_rejected);
    CHECK(ends.y.violation() == layout_violation::sequence);
}

TEST_CASE("a false cursor is noticed when the sender looks at it, and not before") {
    two_holders peers;
    both_ends ends{peers};
    CHECK(ends.x.try_send(bytes("one")));
    peers.block(1).store(layout::block::cursor, 12);
    CHECK(ends.x.try_send(bytes("two")));
    CHECK(ends.x.update() == ivshmem::channel_state::connected);
    std::error_code ec;
    SECTION("for room") {
        for (int i = 0; i < 200 && !ec; ++i)
            ends.x.try_send(bytes("x"), ec);
    }
    SECTION("to know whether all was read") {
        CHECK_FALSE(ends.x.drained(ec));
    }
    CHECK(ec == errc::channel_poisoned);
    CHECK(ends.x.violation() == layout_violation::cursor);
}

TEST_CASE("a side that waits looks again after 10 ms, and after 1 s or 60 s at the latest") {
    using namespace std::chrono_literals;
    const ivshmem::asio::waiting_options usual;
    CHECK(usual.recheck == 10ms);
    CHECK(usual.doubtful_recheck == 1s);
    CHECK(usual.idle_recheck == 60s);
}

TEST_CASE("a peer is rung on vector 0, also if it has more") {
    meeting server;
    const auto a = server.join(1, 4);
    const auto b = server.join(2, 4);
    const slot at_a = claim(a, 0);
    const slot at_b = claim(b, 1);
    const ivshmem::shared_words header{server.memory().data(), false};
    CHECK(header.load(layout::header::attention) == layout::attention_wanted);
    channel x = channel::open(at_a, 1, 0);
    REQUIRE(ivshmem::channel_driver{x}.arm(ivshmem::channel_driver::for_data));
    const ivshmem::shared_words block{server.memory().data() + layout::header::size, false};
    CHECK(block.load(layout::block::wake) >> layout::wake_vector_shift == 0);
}

TEST_CASE("an incarnation under a wrong magic is no holder") {
    const deadline limit;
    meeting server;
    const auto a = server.join(1);
    const auto b = server.join(2);
    const slot at_a = claim(a, 0);
    const ivshmem::shared_words header{server.memory().data() + server.memory().size() / 2, false};
    header.store(layout::header::magic, 0x12345678);
    header.store(layout::header::incarnation, 77);
    header.store(layout::header::peer, 9);
    CHECK_FALSE(at_a.find_holder(1).has_value());
    ivshmem::slot_options options;
    options.geometry = two_slots;
    const slot at_b = slot::claim_free(b, options); // never takes one that is held
    CHECK(at_b.number() == 1);
    CHECK(header.load(layout::header::magic) == layout::magic);
    CHECK(header.load(layout::header::incarnation) == at_b.incarnation());
}

TEST_CASE("the id of a peer is read once for a channel, and a later one has no effect") {
    two_holders peers;
    both_ends ends{peers};
    header_of(peers, 1).store(layout::header::peer, 1); // the sender's own id
    static_cast<void>(peers.a.take(0));
    static_cast<void>(peers.b.take(0));
    REQUIRE(ivshmem::channel_driver{ends.y}.arm(ivshmem::channel_driver::for_data));
    CHECK(ends.x.try_send(bytes("one")));
    CHECK(peers.a.take(0) == 0);
    CHECK(peers.b.take(0) == 1);
}
