// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Peers that end without a word, and peers that only seem to.

#include "channel/fixture.hpp"

using namespace test;
using ivshmem::channel_state;
using namespace std::chrono_literals;

namespace {

using clock_type = std::chrono::steady_clock;

/// Updates for a while, as a loop without interrupts does. @return Whether the condition held.
template <typename Step>
bool within(std::chrono::milliseconds time, Step step) {
    const auto end = clock_type::now() + time;
    while (!step()) {
        if (clock_type::now() > end)
            return false;
        sleep_a_moment();
    }
    return true;
}

bool is_lost(channel& c) {
    std::error_code ec;
    return c.update(ec) == channel_state::lost;
}

ivshmem::slot_options beating(std::uint32_t number, std::chrono::milliseconds period) {
    ivshmem::slot_options options;
    options.number = number;
    options.geometry = two_slots;
    options.heartbeat = period;
    return options;
}

/// Two slots of which some beat.
struct beating_holders {
    beating_holders(std::chrono::milliseconds of_a, std::chrono::milliseconds of_b)
        : a{server.join(1)}, b{server.join(2)}, at_a{slot::claim(a, beating(0, of_a))},
          at_b{slot::claim(b, beating(1, of_b))}, x{channel::open(at_a, 1, 0)}, y{channel::open(
                                                                                    at_b, 0, 0)} {
        meet(x, y);
        REQUIRE(x.state() == channel_state::connected);
        REQUIRE(y.state() == channel_state::connected);
    }
    [[nodiscard]] ivshmem::shared_words header(std::uint32_t number) const {
        return {server.memory().data() + server.memory().size() / 2 * number, false};
    }

    meeting server;
    ivshmem::device a;
    ivshmem::device b;
    slot at_a;
    slot at_b;
    channel x;
    channel y;
};

} // namespace

TEST_CASE("a peer that leaves the server without closing is lost") {
    two_holders peers;
    both_ends ends{peers};
    CHECK(ends.y.try_send(bytes("last words")));
    CHECK(ends.x.try_send(bytes("not read")));
    peers.server.leave(2);
    REQUIRE(within(10s, [&] { return is_lost(ends.x); }));
    CHECK(not_sent(ends.x) == errc::peer_lost);
    CHECK(next(ends.x) == "last words");
    CHECK(end_of(ends.x) == errc::peer_lost);
    CHECK(end_of(ends.x) == errc::peer_lost);
    std::error_code ec;
    CHECK_FALSE(ends.x.drained(ec));
    CHECK(ec == errc::peer_lost);
    CHECK(ec == std::errc::connection_reset);
    CHECK_FALSE(ivshmem::channel_driver{ends.x}.arm(ivshmem::channel_driver::for_data));
    CHECK_FALSE(ends.x.peer_finished());

    // It lives on without the server, sees that the other side gave up, and can return.
    CHECK(ends.y.update() == channel_state::connected);
    CHECK(next(ends.y) == "not read");
    CHECK(end_of(ends.y) == errc::channel_closed);
    ends.x.reopen();
    ends.y.reopen();
    meet(ends.x, ends.y);
    CHECK_FALSE(within(100ms, [&] { return is_lost(ends.x); }));
    CHECK(ends.x.try_send(bytes("again")));
    CHECK(next(ends.y) == "again");
}

TEST_CASE("a message of which a part is missing is not received from a lost peer") {
    two_holders peers;
    both_ends ends{peers};
    std::error_code ec;
    std::size_t done = 0;
    CHECK_FALSE(send_text(ends.y, std::string(1500, 'o'), done, ec));
    peers.server.leave(2);
    REQUIRE(within(10s, [&] { return is_lost(ends.x); }));
    CHECK(end_of(ends.x) == errc::peer_lost);
}

TEST_CASE("a peer is lost even if its id was given again at once") {
    two_holders peers;
    both_ends ends{peers};
    peers.server.leave(2);
    const auto another = peers.server.join(2);
    CHECK(within(10s, [&] { return is_lost(ends.x); }));
}

TEST_CASE("no loss is invented at a server") {
    two_holders peers;
    both_ends ends{peers};
    const auto never_lost = [&] {
        return !within(100ms, [&] { return is_lost(ends.x); });
    };
    SECTION("another peer leaves") {
        const auto third = peers.server.join(3);
        peers.server.leave(3);
        CHECK(never_lost());
        CHECK(ends.x.state() == channel_state::connected);
    }
    SECTION("the peer closed the channel before") {
        CHECK(ends.y.try_send(bytes("last")));
        ends.y.close();
        peers.server.leave(2);
        CHECK(never_lost());
        CHECK(next(ends.x) == "last");
        CHECK(end_of(ends.x) == errc::channel_closed);
    }
    SECTION("the peer gave its slot back before") {
        peers.at_b.close();
        peers.server.leave(2);
        CHECK(never_lost());
        CHECK(end_of(ends.x) == errc::channel_closed);
    }
    SECTION("the peer restarted") {
        ends.y.reopen();
        peers.server.leave(2);
        CHECK(never_lost());
        CHECK(ends.x.state() == channel_state::reset);
    }
    SECTION("the peer had left before the channel was opened") {
        peers.server.leave(2);
        ends.x.reopen();
        ends.y.update();
        ends.y.reopen();
        meet(ends.x, ends.y);
        CHECK(never_lost());
        CHECK(ends.x.state() == channel_state::connected);
    }
    SECTION("the peer does nothing for long") {
        CHECK(never_lost());
        CHECK(ends.x.state() == channel_state::connected);
    }
}

TEST_CASE("services of a lost peer are neither found nor served") {
    two_holders peers;
    ivshmem::service_directory of_a{peers.at_a};
    ivshmem::service_directory of_b{peers.at_b};
    const std::uint32_t key = of_a.offer("time");
    CHECK(of_b.offer("news") != 0);
    ivshmem::channel_options asks;
    asks.service = of_b.find_service("time", {}).key;
    const channel y = channel::open(peers.at_b, 0, 0, asks);
    CHECK(of_a.find_request(key).has_value());
    CHECK(of_a.find_service("news", {}).slot == 1);
    peers.server.leave(2);
    CHECK(within(10s, [&] {
        peers.at_a.answer_claims();
        return !of_a.find_request(key).has_value();
    }));
    std::error_code ec;
    static_cast<void>(of_a.find_service("news", {}, ec));
    CHECK(ec == errc::service_unknown);
    static_cast<void>(of_a.find_service("news", 1, ec));
    CHECK(ec == errc::service_unknown);
}

TEST_CASE("a peer whose heart stops is lost, and can return") {
    beating_holders p{100ms, 100ms};
    CHECK(p.at_a.heartbeat() == 100ms);
    CHECK(p.x.try_send(bytes("not read")));
    const auto began = clock_type::now();
    REQUIRE(within(10s, [&] { return is_lost(p.x); }));
    CHECK(clock_type::now() - began >= 250ms); // not at once, whatever the first look saw
    CHECK(not_sent(p.x) == errc::peer_lost);
    CHECK(end_of(p.x) == errc::peer_lost);
    p.x.reopen();
    CHECK_FALSE(within(200ms, [&] { return p.x.update() != channel_state::opening; }));

    CHECK(p.y.update() == channel_state::reset); // it runs again
    p.y.reopen();
    meet(p.x, p.y);
    CHECK(p.x.state() == channel_state::connected);
    CHECK_FALSE(within(1s, [&] { return is_lost(p.x) || is_lost(p.y); }));
    CHECK(p.x.try_send(bytes("again")));
    CHECK(next(p.y) == "again");
}

TEST_CASE("no heart is said to have stopped that beats, or that never beat") {
    SECTION("a slow peer") {
        beating_holders p{100ms, 100ms};
        auto last = clock_type::now();
        CHECK_FALSE(within(1500ms, [&] {
            if (clock_type::now() - last > 250ms) {
                last = clock_type::now();
                p.at_b.answer_claims();
            }
            return is_lost(p.x);
        }));
    }
    SECTION("a peer without a heartbeat") {
        beating_holders p{100ms, 0ms};
        CHECK_FALSE(within(1s, [&] { return is_lost(p.x); }));
    }
    SECTION("a side without a heartbeat watches nobody") {
        beating_holders p{0ms, 100ms};
        CHECK_FALSE(within(1s, [&] { return is_lost(p.x); }));
    }
    SECTION("words of an earlier holder") {
        beating_holders p{100ms, 0ms};
        p.header(1).store(layout::header::heartbeat, 0x00050064);
        p.header(1).store(layout::header::beating, 12345);
        CHECK_FALSE(within(1s, [&] { return is_lost(p.x); }));
    }
    SECTION("words that always change") {
        beating_holders p{100ms, 100ms};
        std::uint32_t word = 1;
        CHECK_FALSE(within(1s, [&] {
            p.header(1).store(layout::header::heartbeat, word *= 48271);
            return is_lost(p.x);
        }));
    }
    SECTION("a longest period") {
        beating_holders p{100ms, 100ms};
        p.header(1).store(layout::header::heartbeat, 0xffffffff);
        CHECK_FALSE(within(1s, [&] { return is_lost(p.x); }));
        CHECK(p.x.state() == channel_state::connected);
    }
    SECTION("its own words are overwritten") {
        beating_holders p{100ms, 100ms};
        CHECK_FALSE(within(1s, [&] {
            p.header(0).store(layout::header::heartbeat, 0);
            p.header(0).store(layout::header::beating, 0);
            p.y.update();
            return is_lost(p.x) || is_lost(p.y);
        }));
        CHECK(p.at_a.repairs() == 0);
    }
}

TEST_CASE("a heartbeat has a range") {
    meeting server;
    const auto a = server.join(1);
    for (const auto period : {-1ms, 1ms, 99ms, 60'001ms, 100'000'000ms})
        CHECK(refused(a, beating(0, period)) == std::errc::invalid_argument);
    CHECK(slot::claim(a, beating(0, 100ms)).heartbeat() == 100ms);
    CHECK(slot::claim(a, beating(0, 60s)).heartbeat() == 60s);
    CHECK(slot::claim(a, beating(0, 0ms)).heartbeat() == 0ms);
}
