// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A peer that breaks the rules poisons the channel, but does not keep this side busy; legal
// messages do not poison it.

#include "fixture.hpp"
#include "helpers/deadline.hpp"

using namespace test;
using ivshmem::layout_violation;

namespace {

std::uint32_t head(layout::kind k, std::uint32_t length) {
    return layout::record_valid | static_cast<std::uint32_t>(k) << layout::record_kind_shift |
           length;
}

} // namespace

TEST_CASE("a ring full of abandoned messages does not block a receiver") {
    const deadline limit;
    two_holders peers;
    both_ends ends{peers};
    const auto ring = peers.block(1).at(layout::block::ring);
    for (std::uint32_t place = 0; place < 1024; place += 32) {
        ring.store(place, head(layout::kind::part, 16));
        ring.store(place + 4, 17);
        ring.store(place + 24, head(layout::kind::abandon, 0));
        ring.store(place + 28, 0);
    }
    std::error_code ec;
    CHECK_FALSE(next(ends.x, ec).has_value());
    std::size_t done = 0;
    unsigned parts = 0;
    const auto count = [&](std::size_t, std::span<const std::byte>) {
        ++parts;
    };
    CHECK_FALSE(ivshmem::channel_driver{ends.x}.receive_some(100, done, count, ec));
    CHECK(parts <= 32);
}

TEST_CASE("abandoned messages do not hide later messages") {
    two_holders peers;
    both_ends ends{peers};
    std::error_code ec;
    for (int i = 0; i < 5; ++i) {
        std::size_t done = 0;
        CHECK_FALSE(send_text(ends.x, std::string(1500, 'x'), done, ec));
        CHECK_FALSE(next(ends.y).has_value());
        CHECK_FALSE(ec);
        CHECK(done != 0);
        ivshmem::channel_driver{ends.x}.abandon();
        CHECK(ends.x.try_send(bytes("whole"), ec));
        CHECK(next(ends.y) == "whole");
    }
}

TEST_CASE("a false cursor is noticed even if a message must be abandoned") {
    two_holders peers;
    both_ends ends{peers};
    std::error_code ec;
    std::size_t done = 0;
    // With the parts that fit after it, this leaves no room, not even for an empty record.
    CHECK(ends.x.try_send(bytes(std::string(112, 'x'))));
    CHECK_FALSE(send_text(ends.x, std::string(1500, 'x'), done, ec));
    CHECK(ivshmem::channel_driver{ends.x}.unread() == 1016);
    ivshmem::channel_driver{ends.x}.abandon();
    peers.block(1).store(layout::block::cursor, 4);
    for (int i = 0; i < 200 && !ec; ++i)
        ends.x.try_send(bytes("x"), ec);
    CHECK(ec == errc::channel_poisoned);
    CHECK(ends.x.violation() == layout_violation::cursor);
}

TEST_CASE("drained() ignores the words of a peer that is not connected") {
    two_holders peers;
    peers.block(1).store(layout::block::cursor, 512); // of an earlier session
    channel never;
    CHECK_FALSE(ivshmem::channel_driver{never}.drained());
    channel x = channel::open(peers.at_a, 1, 0);
    CHECK_FALSE(ivshmem::channel_driver{x}.drained());
    channel y = channel::open(peers.at_b, 0, 0);
    CHECK_FALSE(ivshmem::channel_driver{x}.drained());
    meet(x, y);
    std::error_code ec;
    while (x.try_send(bytes("more than nothing"), ec)) {
    }
    CHECK_FALSE(ec);
    CHECK(x.update() == ivshmem::channel_state::connected);
}

TEST_CASE("a message without sent parts need not be abandoned") {
    two_holders peers;
    both_ends ends{peers};
    ivshmem::channel_driver{ends.x}.abandon();
    CHECK(ends.x.try_send(bytes("first")));
    CHECK(next(ends.y) == "first");
    ivshmem::channel_driver{ends.x}.abandon();
    ivshmem::channel_driver{ends.x}.abandon();
    CHECK(ends.x.try_send(bytes("second")));
    CHECK(next(ends.y) == "second");
    CHECK(ends.y.update() == ivshmem::channel_state::connected);
}

TEST_CASE("consume() without a message frees nothing") {
    two_holders peers;
    both_ends ends{peers};
    CHECK(ends.x.try_send(bytes("one")));
    CHECK(ends.x.try_send(bytes("two")));
    CHECK(next(ends.y) == "one");
    ends.y.consume();
    CHECK(next(ends.y) == "two");
    for (int i = 0; i < 100; ++i)
        ends.y.consume();
    ivshmem::channel_driver{ends.y}.settle();
    CHECK(ivshmem::channel_driver{ends.x}.drained());
    CHECK(ends.x.try_send(bytes("three")));
    CHECK(next(ends.y) == "three");
}

TEST_CASE("each false record poisons the channel, and violation() names the rule") {
    const std::uint32_t first = GENERATE(0U, 1U, 0x7fffffffU);
    two_holders peers;
    both_ends ends{peers};
    const auto ring = peers.block(1).at(layout::block::ring);
    if (first != 0) {
        ring.store(0, first);
        CHECK(end_of(ends.x) == errc::channel_poisoned);
        CHECK(ends.x.violation() == layout_violation::record);
        ends.x.finish(); // the flags for the peer must stay
        CHECK(end_of(ends.y) == errc::channel_rejected);
        CHECK(ends.y.violation() == layout_violation::record);
        std::error_code ec;
        CHECK_FALSE(ends.x.try_send(bytes("x"), ec));
        CHECK(ec == errc::channel_poisoned);
        ends.x.reopen();
        ends.y.reopen();
        meet(ends.x, ends.y);
        CHECK(ends.y.try_send(bytes("again")));
        CHECK(next(ends.x) == "again");
    } else {
        CHECK_FALSE(next(ends.x).has_value());
    }
}

TEST_CASE("a message whose last part never comes before the end is dropped, and is no fault") {
    two_holders peers;
    both_ends ends{peers};
    std::size_t done = 0;
    std::error_code ec;
    CHECK_FALSE(send_text(ends.x, std::string(3000, 'p'), done, ec));
    REQUIRE(done != 0);
    CHECK_FALSE(next(ends.y).has_value());
    ends.x.finish();
    CHECK(end_of(ends.y) == errc::channel_closed);
    CHECK(ends.y.violation() == ivshmem::layout_violation::none);
}

TEST_CASE("a channel that its peer closed before it connected connects, then is closed") {
    two_holders peers;
    channel x = channel::open(peers.at_a, 1, 0);
    channel y = channel::open(peers.at_b, 0, 0);
    meet(x, y);
    channel late = channel::open(peers.at_a, 1, 1);
    channel closes = channel::open(peers.at_b, 0, 1);
    closes.update(); // acknowledges
    SECTION("by the flags") {
        closes.close();
        CHECK(late.update() == ivshmem::channel_state::connected);
        CHECK(end_of(late) == errc::channel_closed);
    }
    SECTION("unless the other side withdraws: then it waits") {
        ivshmem::channel_driver{closes}.withdraw();
        CHECK(late.update() == ivshmem::channel_state::opening);
        closes = channel::open(peers.at_b, 0, 1);
        meet(late, closes);
        CHECK(late.state() == ivshmem::channel_state::connected);
    }
}
