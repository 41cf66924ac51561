// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Topics that end, in order or not, the room that they leave, and readers that sleep.

#include "helpers/deadline.hpp"
#include "topics_fixture.hpp"

using namespace test;

TEST_CASE("a topic that ends: what is left is read, then the end is reported until reopen()") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "clock");
    listener in{peers.at_b, "clock"};
    const bool slot_too = GENERATE(true, false);
    out.publish(bytes("one"));
    out.publish(bytes("two"));
    CHECK(in.next() == "one");
    if (slot_too)
        peers.at_a.close();
    else
        out.close();
    CHECK(in.next() == "two");
    CHECK(in.end() == errc::topic_closed);
    CHECK(in.end() == errc::topic_closed);
    CHECK(in.reader.state() == topic_state::ended);
    in.reader.reopen();
    CHECK(in.reader.state() == topic_state::searching); // not what is left of it
    CHECK_FALSE(in.next());
    if (slot_too)
        peers.at_a = claim(peers.a, 0);
    out = topic_writer::create(peers.at_a, "clock");
    out.publish(bytes("again"));
    CHECK(in.next() == "again");
    CHECK(in.last.sequence == 1);
    CHECK(in.last.skipped == 0);
}

TEST_CASE("a writer that came and went while a reader waited is read; an earlier one is not") {
    two_holders peers;
    const bool slot_too = GENERATE(true, false);
    {
        auto out = topic_writer::create(peers.at_a, "clock");
        out.publish(bytes("early"));
    }
    listener in{peers.at_b, "clock"};
    CHECK_FALSE(in.next());
    if (slot_too)
        peers.at_a.close();
    {
        if (slot_too)
            peers.at_a = claim(peers.a, 0);
        auto out = topic_writer::create(peers.at_a, "clock");
        out.publish(bytes("one"));
        if (slot_too)
            peers.at_a.close();
    }
    CHECK(in.next() == "one");
    CHECK(in.end() == errc::topic_closed);
}

TEST_CASE("a slot that another process takes ends its topics") {
    const deadline limit;
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "clock");
    listener in{peers.at_b, "clock"};
    out.publish(bytes("one"));
    CHECK(in.next() == "one");
    REQUIRE(claim_elsewhere(peers.server, 0, [] {}));
    CHECK(in.end() == errc::topic_closed);
    std::error_code ec;
    peers.at_a.answer_claims(ec);
    out.publish(bytes("two"), ec);
    CHECK(ec == errc::slot_lost);
    CHECK_THROWS_AS(out.publish(bytes("two")), ivshmem::error);
    CHECK(not_created(peers.at_a, "x") == errc::slot_lost);
    in.reader.reopen();
    CHECK_FALSE(in.next());
}

TEST_CASE("the room of topics that have ended is used again, and readers of them notice") {
    two_holders peers;
    for (int i = 0; i < 200; ++i) {
        const std::string name = std::to_string(i % 7);
        listener in{peers.at_b, name};
        auto out = topic_writer::create(peers.at_a, name);
        out.publish(bytes(name));
        REQUIRE(in.next() == name);
        const auto view = topic_reader::open(peers.at_b, name, {.history = 1}).try_view();
        REQUIRE(view);
        out.close();
        REQUIRE(in.end() == errc::topic_closed);
    }
    listener old{peers.at_b, "old"};
    std::optional<topic_writer> out{topic_writer::create(peers.at_a, "old")};
    out->publish(bytes("old"));
    const auto view = old.reader.try_view();
    REQUIRE(view);
    out.reset();
    CHECK(old.reader.still_valid(*view)); // until the room is needed
    CHECK(not_created(peers.at_a, "more", {.size = 65536}) == errc::region_too_small);
    CHECK(old.reader.still_valid(*view)); // nothing was given up in vain
    const auto all =
        topic_writer::create(peers.at_a, "all", {.size = area{}.room() - 256, .messages = 2});
    CHECK_FALSE(old.reader.still_valid(*view));
    CHECK(old.end() == errc::topic_closed);
}

TEST_CASE("a reader that sleeps is rung once, and not again until it looked") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "clock");
    listener in{peers.at_b, "clock"};
    const auto rings = [&] {
        return peers.b.take(0);
    };
    rings();
    CHECK_FALSE(in.next());
    out.publish(bytes("awake"));
    CHECK(rings() == 0);
    CHECK_FALSE(in.reader.arm()); // there is a message
    CHECK(in.next() == "awake");
    CHECK_FALSE(in.next());
    REQUIRE(in.reader.arm());
    for (int i = 0; i < 10; ++i)
        out.publish(bytes("asleep"));
    CHECK(rings() == 1);
    CHECK(out.rings() == 1);
    in.reader.disarm();
    for (int i = 0; i < 10; ++i)
        CHECK(in.next() == "asleep");
    CHECK_FALSE(in.next());
    listener second{peers.at_b, "clock"};
    CHECK_FALSE(second.next());
    REQUIRE(in.reader.arm());
    REQUIRE(second.reader.arm());
    second.reader.disarm(); // does not withdraw the request of the other one
    out.publish(bytes("x"));
    CHECK(rings() == 1);
    CHECK(in.next() == "x");
    CHECK_FALSE(in.next());
    REQUIRE(in.reader.arm());
    out.close();
    CHECK(rings() == 1);
    CHECK(in.end() == errc::topic_closed);
    in.reader.reopen();
    REQUIRE(in.reader.arm()); // while it searches
    out = topic_writer::create(peers.at_a, "clock");
    CHECK(rings() == 1);
}

TEST_CASE("a reader that the writer takes for gone is rung when it is there again") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "clock");
    listener in{peers.at_b, "clock"};
    CHECK_FALSE(in.next());
    REQUIRE(in.reader.arm());
    peers.b.take(0);
    // A word that something has written over, and that its holder writes again.
    const auto header = section_of(peers, 1);
    const auto [word, value] =
        GENERATE(std::pair{layout::header::incarnation, 0U}, std::pair{layout::header::slot, 7U},
                 std::pair{layout::header::version, 0x00010001U});
    const auto before = header.load(word);
    header.store(word, value);
    out.publish(bytes("one"));
    CHECK(out.rings() == 0);
    header.store(word, before);
    out.publish(bytes("two"));
    out.publish(bytes("three"));
    CHECK(out.rings() == 1);
    CHECK(peers.b.take(0) == 1);
    CHECK(in.next() == "one");
}

TEST_CASE("a reader without interrupts, or that polls, asks for no ring") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "clock");
    topic_reader in = topic_reader::open(peers.at_b, "clock", {.polling = true});
    CHECK_FALSE(in.try_view());
    CHECK(in.arm());
    peers.b.take(0);
    out.publish(bytes("x"));
    CHECK(peers.b.take(0) == 0);
    CHECK(in.try_view());
}
