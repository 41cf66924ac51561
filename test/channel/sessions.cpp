// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Channels that open, end and open again.

#include "fixture.hpp"

#include <utility>

using namespace test;

namespace {

std::error_code not_opened(const slot& at, std::uint32_t peer, std::uint32_t lane,
                           const ivshmem::channel_options& options = {}) {
    std::error_code ec;
    CHECK_FALSE(channel::open(at, peer, lane, options, ec).is_open());
    CHECK_THROWS_AS(channel::open(at, peer, lane, options), ivshmem::error);
    return ec;
}

} // namespace

TEST_CASE("a peer that has not opened yet") {
    meeting server;
    const auto a = server.join(1);
    const auto b = server.join(2);
    slot at_a = claim(a, 0);
    channel x = channel::open(at_a, 1, 0);
    CHECK(x.update() == ivshmem::channel_state::opening);
    CHECK(not_sent(x) == errc::not_connected);
    CHECK(end_of(x) == errc::not_connected);
    CHECK(x.peer_incarnation() == 0);
    slot at_b = claim(b, 1);
    CHECK(x.update() == ivshmem::channel_state::opening);
    channel y = channel::open(at_b, 0, 0);
    meet(x, y);
    CHECK(x.peer_incarnation() == at_b.incarnation());
    CHECK(x.try_send(bytes("at last")));
    CHECK(next(y) == "at last");
}

TEST_CASE("channels that cannot be opened") {
    two_holders peers;
    CHECK(not_opened(peers.at_a, 0, 0) == errc::slot_out_of_range);
    CHECK(not_opened(peers.at_a, 2, 0) == errc::slot_out_of_range);
    CHECK(not_opened(peers.at_a, 1, 2) == errc::lane_out_of_range);
    ivshmem::channel_options options;
    options.vector = 1;
    CHECK(not_opened(peers.at_a, 1, 0, options) == errc::vector_out_of_range);
    channel x = channel::open(peers.at_a, 1, 0);
    CHECK(not_opened(peers.at_a, 1, 0) == errc::lane_in_use);
    channel other = channel::open(peers.at_a, 1, 1);
    x.close();
    x = channel::open(peers.at_a, 1, 0);
    CHECK(x.is_open());
    peers.at_a.close();
    CHECK(not_opened(peers.at_a, 1, 0) == errc::closed);
}

TEST_CASE("messages sent before the close are received, then the end") {
    two_holders peers;
    both_ends ends{peers};
    unsigned sent = 0;
    std::error_code ec;
    while (ends.x.try_send(bytes("message " + std::to_string(sent)), ec))
        ++sent;
    SECTION("closed") {
        ends.x.close();
    }
    SECTION("finished") {
        ends.x.finish();
        CHECK(not_sent(ends.x) == errc::closed);
    }
    SECTION("the slot closed") {
        peers.at_a.close();
        CHECK(end_of(ends.x) == errc::closed);
    }
    ends.y.update();
    for (unsigned i = 0; i < sent; ++i)
        REQUIRE(next(ends.y) == "message " + std::to_string(i));
    CHECK(end_of(ends.y) == errc::channel_closed);
    CHECK(end_of(ends.y) == errc::channel_closed);
}

TEST_CASE("what was received before the close is drained") {
    two_holders peers;
    both_ends ends{peers};
    REQUIRE(ends.x.try_send(bytes("taken")));
    REQUIRE(next(ends.y) == "taken");
    ends.y.close();
    std::error_code ec;
    CHECK(ends.x.drained(ec));
    CHECK(ec == std::error_code{});
}

TEST_CASE("what was not received before the close is never drained") {
    two_holders peers;
    both_ends ends{peers};
    REQUIRE(ends.x.try_send(bytes("taken")));
    REQUIRE(ends.x.try_send(bytes("left")));
    REQUIRE(next(ends.y) == "taken");
    ends.y.close();
    std::error_code ec;
    CHECK_FALSE(ends.x.drained(ec));
    CHECK(ec == errc::channel_closed);
}

TEST_CASE("a side that has finished still receives") {
    two_holders peers;
    both_ends ends{peers};
    ends.x.finish();
    CHECK(end_of(ends.y) == errc::channel_closed);
    CHECK(ends.y.try_send(bytes("reply")));
    CHECK(next(ends.x) == "reply");
    ends.y.close();
    CHECK(end_of(ends.x) == errc::channel_closed);
}

TEST_CASE("a send to a peer that has stopped reading fails") {
    two_holders peers;
    both_ends ends{peers};
    ends.y.close();
    ends.x.update();
    CHECK(not_sent(ends.x) == errc::channel_closed);
}

TEST_CASE("a restart is one reset, and no message crosses it") {
    two_holders peers;
    both_ends ends{peers};
    CHECK(ends.x.try_send(bytes("old, to y")));
    CHECK(ends.y.try_send(bytes("old, to x")));
    const auto old = peers.at_b.incarnation();
    ends.y = channel{};
    peers.at_b.close();
    peers.at_b = claim(peers.b, 1);
    CHECK(peers.at_b.incarnation() != old);
    ends.y = channel::open(peers.at_b, 0, 0);
    meet(ends.y, ends.x);
    CHECK(ends.y.state() == ivshmem::channel_state::opening);
    CHECK(ends.x.state() == ivshmem::channel_state::reset);
    CHECK(not_sent(ends.x) == errc::channel_reset);
    CHECK(end_of(ends.x) == errc::channel_reset);
    ends.x.reopen();
    meet(ends.x, ends.y);
    CHECK(ends.x.state() == ivshmem::channel_state::connected);
    CHECK(ends.y.state() == ivshmem::channel_state::connected);
    CHECK(ends.x.peer_incarnation() == peers.at_b.incarnation());
    CHECK_FALSE(next(ends.x).has_value());
    CHECK_FALSE(next(ends.y).has_value());
    CHECK(ends.x.try_send(bytes("new")));
    CHECK(next(ends.y) == "new");
    CHECK(ends.x.update() == ivshmem::channel_state::connected);
    CHECK(ends.y.update() == ivshmem::channel_state::connected);
}

TEST_CASE("a reset in the middle of a message drops all of its parts") {
    two_holders peers;
    both_ends ends{peers};
    std::error_code ec;
    std::size_t done = 0;
    CHECK_FALSE(send_text(ends.x, std::string(1500, 'o'), done, ec));
    CHECK_FALSE(next(ends.y).has_value());
    ends.x.reopen();
    CHECK(end_of(ends.y) == errc::channel_reset);
    ends.y.reopen();
    meet(ends.x, ends.y);
    CHECK(ends.x.try_send(bytes("new")));
    CHECK(next(ends.y) == "new");
}

TEST_CASE("moved channels and slots continue") {
    two_holders peers;
    both_ends ends{peers};
    CHECK(ends.x.try_send(bytes("one")));
    channel moved{std::move(ends.y)};
    CHECK_FALSE(ends.y.is_open()); // NOLINT: its moved-from state is tested
    slot at_b{std::move(peers.at_b)};
    CHECK_FALSE(peers.at_b.is_open()); // NOLINT: as above
    CHECK(next(moved) == "one");
    CHECK(at_b.find_holder(0).has_value());

    channel other = channel::open(at_b, 0, 1);
    other = std::move(moved); // closes the lane that it had
    CHECK(channel::open(at_b, 0, 1).is_open());
    CHECK(ends.x.try_send(bytes("two")));
    CHECK(next(other) == "two");
    CHECK(other.update() == ivshmem::channel_state::connected);
}

TEST_CASE("a sleeping peer is rung, once") {
    two_holders peers;
    both_ends ends{peers};
    static_cast<void>(peers.b.take(0));
    REQUIRE(ivshmem::channel_driver{ends.y}.arm(ivshmem::channel_driver::for_data));
    CHECK(ends.x.try_send(bytes("one")));
    CHECK(ends.x.try_send(bytes("two")));
    CHECK(ivshmem::channel_driver{ends.x}.rings() == 1);
    CHECK(peers.b.take(0) == 1);
    ivshmem::channel_driver{ends.x}.ring_again();
    CHECK(peers.b.take(0) == 1);
    ivshmem::channel_driver{ends.y}.disarm();
    ivshmem::channel_driver{ends.x}.ring_again();
    CHECK(peers.b.take(0) == 0);
    CHECK_FALSE(ivshmem::channel_driver{ends.y}.arm(
        ivshmem::channel_driver::for_data)); // a message has arrived
    CHECK(next(ends.y) == "one");

    std::error_code ec;
    while (ends.x.try_send(bytes("fills the ring"), ec)) {
    }
    static_cast<void>(peers.a.take(0));
    REQUIRE(ivshmem::channel_driver{ends.x}.arm(ivshmem::channel_driver::for_room));
    CHECK(peers.a.take(0) == 0);
    while (next(ends.y)) {
    }
    CHECK(peers.a.take(0) == 1);
    CHECK_FALSE(ivshmem::channel_driver{ends.x}.arm(ivshmem::channel_driver::for_room));
}
