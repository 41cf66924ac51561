// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Topics of the library and of the peer in C, over one memory, in both directions.

#include "topics_fixture.hpp"

#include <random>

using namespace test;

TEST_CASE("the peer in C reads a topic of the library, whichever of the two comes first") {
    two_kinds peers{two_slots, 2 * 32768};
    const bool reader_first = GENERATE(true, false);
    topic_writer out;
    if (!reader_first)
        out = topic_writer::create(peers.slot, "clock");
    c_reader in{peers.c, "clock"};
    CHECK(in.read() == IVSHMEM_PEER_AGAIN);
    CHECK(in.r.state ==
          (reader_first ? IVSHMEM_PEER_TOPIC_SEARCHING : IVSHMEM_PEER_TOPIC_ATTACHED));
    if (reader_first)
        out = topic_writer::create(peers.slot, "clock");
    c_reader other{peers.c, "cloc"};
    for (const std::size_t size : {0U, 1U, 3U, 64U, 65U, 1000U}) {
        const auto text = pattern(size);
        out.publish(bytes(text));
        REQUIRE(in.read() == IVSHMEM_PEER_OK);
        CHECK(in.text == text);
        CHECK(in.m.number == out.sequence());
        CHECK(in.m.skipped == 0);
        CHECK(in.m.time > 1'000'000'000'000'000'000U);
    }
    CHECK(in.read() == IVSHMEM_PEER_AGAIN);
    CHECK(other.read() == IVSHMEM_PEER_AGAIN);
    out.close();
    CHECK(in.read() == IVSHMEM_PEER_CLOSED);
    CHECK(in.r.state == IVSHMEM_PEER_TOPIC_ENDED);
    CHECK(in.read() == IVSHMEM_PEER_CLOSED);
}

TEST_CASE("the library reads a topic of the peer in C, whichever of the two comes first") {
    two_kinds peers{two_slots, 2 * 32768};
    const bool reader_first = GENERATE(true, false);
    std::optional<listener> in;
    if (reader_first)
        in.emplace(peers.slot, "clock");
    c_writer out{peers.c};
    peers.c.rings.clear();
    REQUIRE(out.create("clock") == IVSHMEM_PEER_OK);
    CHECK(peers.c.rings == std::vector<std::pair<std::uint16_t, std::uint16_t>>{{1, 0}});
    if (!reader_first)
        in.emplace(peers.slot, "clock");
    std::uint64_t number = 0;
    for (const std::size_t size : {0U, 1U, 3U, 64U, 65U, 1000U}) {
        const auto text = pattern(size);
        REQUIRE(out.send(text, 1'000'000'007) == IVSHMEM_PEER_OK);
        CHECK(in->next() == text);
        CHECK(in->last.sequence == ++number);
        CHECK(in->last.skipped == 0);
        CHECK(in->last.time.time_since_epoch() == std::chrono::nanoseconds{1'000'000'007});
    }
    CHECK_FALSE(in->next());
    ivshmem_peer_topic_end(&out.w);
    CHECK(in->end() == errc::topic_closed);
    CHECK(out.send("x") == IVSHMEM_PEER_CLOSED);
    CHECK(ivshmem_peer_topic_loan(&out.w, 1) == nullptr);
}

TEST_CASE("a slow reader in C skips messages of the library, and the counts are exact") {
    two_kinds peers{two_slots, 2 * 32768};
    auto out = topic_writer::create(peers.slot, "clock", {.size = 2048, .messages = 16});
    c_reader slow{peers.c, "clock"};
    c_reader fast{peers.c, "clock"};
    std::uint64_t count = 0;
    std::mt19937 random{1};
    for (int i = 1; i <= 3000; ++i) {
        out.publish(bytes(std::to_string(i)));
        REQUIRE(fast.read() == IVSHMEM_PEER_OK);
        REQUIRE(fast.text == std::to_string(i));
        if (random() % 60 == 0)
            while (slow.read() == IVSHMEM_PEER_OK) {
                REQUIRE(slow.text == std::to_string(slow.m.number));
                REQUIRE(++count + slow.r.skipped == slow.m.number);
            }
    }
    CHECK(fast.r.skipped == 0);
    CHECK(slow.r.skipped > 0);
}

TEST_CASE("a writer in C overtakes slow readers, and no message that is left is torn") {
    two_kinds peers{two_slots, 2 * 32768};
    c_writer out{peers.c, GENERATE(4U, 18U)};
    REQUIRE(out.create("clock", 1000) == IVSHMEM_PEER_OK);
    listener slow{peers.slot, "clock"};
    listener fast{peers.slot, "clock"};
    std::uint64_t count = 0;
    std::mt19937 random{2};
    const auto text = [](std::uint64_t number) {
        return std::string(number % 700, static_cast<char>('a' + number % 26));
    };
    for (std::uint64_t i = 1; i <= 3000; ++i) {
        REQUIRE(out.send(text(i)) == IVSHMEM_PEER_OK);
        REQUIRE(fast.next() == text(i));
        if (random() % 40 == 0)
            while (slow.next()) {
                REQUIRE(slow.text() == text(slow.last.sequence));
                REQUIRE(++count + slow.reader.skipped() == slow.last.sequence);
            }
    }
    CHECK(fast.reader.skipped() == 0);
    CHECK(slow.reader.skipped() > 0);
}

TEST_CASE("a reader in C that comes later begins with what it asks for") {
    two_kinds peers{two_slots, 2 * 32768};
    c_reader waits{peers.c, "clock"};
    auto out = topic_writer::create(peers.slot, "clock");
    for (const char* text : {"one", "two", "three"})
        out.publish(bytes(text));
    c_reader late{peers.c, "clock"};
    c_reader with_history{peers.c, "clock", 2};
    c_reader latest{peers.c, "clock"};
    CHECK(waits.next() == "one");
    CHECK(late.read() == IVSHMEM_PEER_AGAIN);
    CHECK(with_history.next() == "two");
    CHECK(with_history.m.skipped == 0);
    CHECK(latest.newest() == "three");
    CHECK(latest.m.number == 3);
    CHECK_FALSE(latest.newest());
    out.publish(bytes("four"));
    out.publish(bytes("five"));
    CHECK(latest.newest() == "five");
    CHECK(latest.m.skipped == 1);
    CHECK(late.next() == "four");
}

TEST_CASE("a loan and a view in C are the shared memory, until it is overwritten") {
    two_kinds peers{two_slots, 2 * 32768};
    SECTION("the library writes") {
        auto out = topic_writer::create(peers.slot, "frames", {.size = 1024, .messages = 4});
        c_reader in{peers.c, "frames"};
        out.publish(bytes(std::string(500, 'f')));
        REQUIRE(ivshmem_peer_topic_view(&in.r, &in.m) == IVSHMEM_PEER_OK);
        REQUIRE(in.m.length == 500);
        CHECK(in.m.data[499] == 'f');
        CHECK(ivshmem_peer_topic_is_valid(&in.r, &in.m));
        out.publish(bytes("beside"));
        CHECK(ivshmem_peer_topic_is_valid(&in.r, &in.m));
        CHECK(out.loan(1000).size() == 1000); // over it
        CHECK_FALSE(ivshmem_peer_topic_is_valid(&in.r, &in.m));
    }
    SECTION("the peer in C writes") {
        c_writer out{peers.c, 6};
        REQUIRE(out.create("frames", 1024) == IVSHMEM_PEER_OK);
        topic_reader in = topic_reader::open(peers.slot, "frames");
        CHECK(ivshmem_peer_topic_loan(&out.w, 1025) == nullptr);
        CHECK(ivshmem_peer_topic_publish(&out.w, 0) == IVSHMEM_PEER_INVALID);
        unsigned char* lent = ivshmem_peer_topic_loan(&out.w, 500);
        REQUIRE(lent != nullptr);
        std::fill_n(lent, 500, static_cast<unsigned char>('f'));
        CHECK_FALSE(in.try_view());
        CHECK(ivshmem_peer_topic_publish(&out.w, 0) == IVSHMEM_PEER_OK);
        const auto view = in.try_view();
        REQUIRE(view);
        REQUIRE(view->bytes.size() == 500);
        CHECK(view->bytes[499] == std::byte{'f'});
        CHECK(out.send("beside") == IVSHMEM_PEER_OK);
        CHECK(in.still_valid(*view));
        CHECK(ivshmem_peer_topic_loan(&out.w, 1000) != nullptr); // over it
        CHECK_FALSE(in.still_valid(*view));
    }
    SECTION("the peer in C needs the record of a message, and not its bytes") {
        c_writer out{peers.c, 4}; // an index for two messages
        REQUIRE(out.create("frames", 1024) == IVSHMEM_PEER_OK);
        topic_reader in = topic_reader::open(peers.slot, "frames");
        CHECK(out.send("one") == IVSHMEM_PEER_OK);
        const auto view = in.try_view();
        REQUIRE(view);
        CHECK(out.send("two") == IVSHMEM_PEER_OK);
        CHECK(in.still_valid(*view));
        CHECK(ivshmem_peer_topic_loan(&out.w, 1) != nullptr);
        CHECK_FALSE(in.still_valid(*view));
    }
}

TEST_CASE("a reader in C asks to be rung, once until it looks") {
    two_kinds peers{two_slots, 2 * 32768};
    auto out = topic_writer::create(peers.slot, "clock");
    c_reader in{peers.c, "clock"};
    c_reader second{peers.c, "clock"};
    CHECK(ivshmem_peer_arm(&peers.c.peer) == 0); // it has not looked yet
    CHECK(in.read() == IVSHMEM_PEER_AGAIN);
    CHECK(second.read() == IVSHMEM_PEER_AGAIN);
    for (int i = 1; i <= 3; ++i) {
        CHECK(ivshmem_peer_arm(&peers.c.peer) != 0);
        out.publish(bytes("x"));
        out.publish(bytes("y"));
        CHECK(out.rings() == static_cast<unsigned>(i));
        CHECK(ivshmem_peer_arm(&peers.c.peer) == 0); // and withdraws
        peers.c.poll();
        out.publish(bytes("z"));
        CHECK(out.rings() == static_cast<unsigned>(i));
        for (auto* each : {&in, &second})
            while (each->read() == IVSHMEM_PEER_OK) {
            }
    }
    in.r.holds_back = second.r.holds_back = true;
    out.publish(bytes("x"));
    CHECK(ivshmem_peer_arm(&peers.c.peer) != 0);
    in.r.holds_back = false;
    CHECK(ivshmem_peer_arm(&peers.c.peer) == 0);
    CHECK(in.next() == "x");
    CHECK(in.read() == IVSHMEM_PEER_AGAIN);
    CHECK(ivshmem_peer_arm(&peers.c.peer) != 0);
    out.close();
    CHECK(ivshmem_peer_arm(&peers.c.peer) == 0);
    CHECK(in.read() == IVSHMEM_PEER_CLOSED);
    CHECK(ivshmem_peer_arm(&peers.c.peer) != 0);
}

TEST_CASE("a writer in C rings a reader of the library once until it looks") {
    two_kinds peers{two_slots, 2 * 32768};
    c_writer out{peers.c};
    REQUIRE(out.create("clock") == IVSHMEM_PEER_OK);
    listener in{peers.slot, "clock"};
    CHECK_FALSE(in.next());
    peers.c.rings.clear();
    for (std::size_t i = 1; i <= 3; ++i) {
        REQUIRE(in.reader.arm());
        CHECK(out.send("x") == IVSHMEM_PEER_OK);
        CHECK(out.send("y") == IVSHMEM_PEER_OK);
        CHECK(peers.c.rings.size() == i);
        CHECK_FALSE(in.reader.arm());
        while (in.next()) {
        }
    }
    REQUIRE(in.reader.arm());
    ivshmem_peer_topic_end(&out.w);
    CHECK(peers.c.rings.size() == 4);
}

TEST_CASE("a peer in C without topics, and one without room for them") {
    two_kinds peers{two_slots, 16384}; // 4096 of 8192 bytes are left, 2560 of them for channels
    c_writer out{peers.c};
    CHECK(out.create("x") == IVSHMEM_PEER_NO_TOPICS);
    c_reader in;
    CHECK(in.open(peers.c, "x") == IVSHMEM_PEER_NO_TOPICS);
    two_ends ends{peers}; // channels go on
    CHECK(send(ends.y, "x") == IVSHMEM_PEER_OK);
    CHECK(ivshmem_peer_arm(&peers.c.peer) != 0);
}

TEST_CASE("what a topic in C is refused for") {
    two_kinds peers{two_slots, 2 * 32768};
    c_writer out{peers.c, 4};
    REQUIRE(out.create("clock", 64) == IVSHMEM_PEER_OK);
    CHECK(out.create("other", 64) == IVSHMEM_PEER_IN_USE);
    c_writer same{peers.c, 4};
    CHECK(same.create("clock", 64) == IVSHMEM_PEER_IN_USE);
    auto theirs = topic_writer::create(peers.slot, "theirs");
    CHECK(same.create("theirs", 64) == IVSHMEM_PEER_IN_USE);
    CHECK_THROWS_AS(topic_writer::create(peers.slot, "clock"), ivshmem::error);
    CHECK(same.create("", 64) == IVSHMEM_PEER_INVALID);
    CHECK(same.create(std::string(60, 'n').c_str(), 64) == IVSHMEM_PEER_INVALID);
    CHECK(same.create("huge", ~0U) == IVSHMEM_PEER_INVALID);
    CHECK(same.create("large", 65536) == IVSHMEM_PEER_TOO_SMALL);
    c_writer small{peers.c, 3}; // a word for each of two slots, and one message
    CHECK(small.create("small", 64) == IVSHMEM_PEER_INVALID);
    std::array<std::optional<c_writer>, 4> more;
    for (auto& each : more)
        each.emplace(peers.c, 4U);
    CHECK(more[0]->create("a", 64) == IVSHMEM_PEER_OK);
    CHECK(more[1]->create("b", 64) == IVSHMEM_PEER_OK);
    CHECK(more[2]->create("c", 64) == IVSHMEM_PEER_OK);
    CHECK(more[3]->create("d", 64) == IVSHMEM_PEER_FULL); // IVSHMEM_PEER_TOPICS is 4
    ivshmem_peer_topic_end(&more[1]->w);
    CHECK(more[3]->create("d", 64) == IVSHMEM_PEER_OK);
    c_reader in;
    CHECK(in.open(peers.c, "") == IVSHMEM_PEER_INVALID);
    in.known.resize(3);
    CHECK(in.open(peers.c, "clock") == IVSHMEM_PEER_INVALID);
}

TEST_CASE("a topic in C that has ended is read until its room is needed") {
    two_kinds peers{two_slots, 2 * 32768};
    listener waits{peers.slot, "first"};
    c_writer out{peers.c, 4};
    REQUIRE(out.create("first", 8000) == IVSHMEM_PEER_OK);
    CHECK(out.send("left") == IVSHMEM_PEER_OK);
    ivshmem_peer_topic_end(&out.w);
    CHECK(waits.next() == "left");
    CHECK(waits.end() == errc::topic_closed);
    listener again{peers.slot, "first"}; // nobody waited for this one
    CHECK_FALSE(again.next());
    listener third{peers.slot, "third"};
    c_writer second{peers.c, 4};
    c_writer last{peers.c, 4};
    REQUIRE(second.create("second", 8000) == IVSHMEM_PEER_OK);
    REQUIRE(last.create("third", 8000) == IVSHMEM_PEER_OK);
    CHECK(last.send("message") == IVSHMEM_PEER_OK);
    CHECK(third.next() == "message");
    c_writer none{peers.c, 4};
    CHECK(none.create("fourth", 16000) == IVSHMEM_PEER_TOO_SMALL);
}

TEST_CASE("a topic of another one is read to its end, and found again") {
    two_kinds peers{two_slots, 2 * 32768};
    c_reader in{peers.c, "clock"};
    auto out = topic_writer::create(peers.slot, "clock");
    out.publish(bytes("one"));
    CHECK(in.next() == "one");
    out.publish(bytes("two"));
    SECTION("it ends") {
        out.close();
    }
    SECTION("the slot is left") {
        peers.slot.close();
    }
    CHECK(in.next() == "two");
    CHECK(in.read() == IVSHMEM_PEER_CLOSED);
    CHECK(ivshmem_peer_topic_reopen(&in.r) == IVSHMEM_PEER_OK);
    CHECK(in.read() == IVSHMEM_PEER_AGAIN); // the ended one is not read twice
    if (!peers.slot.is_open())
        peers.slot = claim(peers.device, 0);
    out = topic_writer::create(peers.slot, "clock");
    out.publish(bytes("three"));
    CHECK(in.next() == "three");
    CHECK(in.m.number == 1);
}

TEST_CASE("a reader in C whose writer is lost, and comes again") {
    two_kinds peers{two_slots, 2 * 32768};
    auto out = topic_writer::create(peers.slot, "clock");
    c_reader in{peers.c, "clock"};
    out.publish(bytes("one"));
    ivshmem_peer_gone(&peers.c.peer, 1);
    CHECK(in.next() == "one");
    CHECK(in.read() == IVSHMEM_PEER_LOST);
    CHECK(ivshmem_peer_topic_reopen(&in.r) == IVSHMEM_PEER_OK);
    out.publish(bytes("two"));
    CHECK(in.read() == IVSHMEM_PEER_AGAIN);
    ivshmem_peer_came(&peers.c.peer, 1);
    CHECK(in.next() == "two");
    CHECK(in.m.skipped == 0);
}

TEST_CASE("a peer in C leaves its slot: its topics end, and its readers close") {
    two_kinds peers{two_slots, 2 * 32768};
    c_writer out{peers.c};
    REQUIRE(out.create("clock") == IVSHMEM_PEER_OK);
    listener in{peers.slot, "clock"};
    c_reader own{peers.c, "theirs"};
    CHECK(out.send("last") == IVSHMEM_PEER_OK);
    ivshmem_peer_leave(&peers.c.peer);
    const part_for_topics part{peers, 1};
    CHECK(part.section.load(part.entry(0) + layout::topic::flags) == layout::topic_ended);
    CHECK(in.next() == "last");
    CHECK(in.end() == errc::topic_closed);
    CHECK(out.send("x") == IVSHMEM_PEER_CLOSED);
    CHECK(own.read() == IVSHMEM_PEER_CLOSED);
    ivshmem_peer_topic_close(&own.r);
    CHECK(ivshmem_peer_topic_reopen(&own.r) == IVSHMEM_PEER_CLOSED);
    CHECK(out.create("clock") == IVSHMEM_PEER_NO_SLOT);
}

TEST_CASE("a peer in C clears what an earlier holder left in its part for topics") {
    two_kinds peers{two_slots, 2 * 32768};
    ivshmem_peer_leave(&peers.c.peer);
    const part_for_topics part{peers, 1};
    for (std::size_t at = part.row(0); at < part.entry(16); at += 4)
        part.section.store(at, 0xa5a5a5a5U);
    REQUIRE(peers.c.claim() == IVSHMEM_PEER_OK);
    for (std::size_t at = part.row(0); at < part.row(2); at += 4)
        CHECK(part.section.load(at) == 0);
    for (std::size_t number = 0; number < 16; ++number)
        CHECK(part.section.load(part.entry(number)) == 0);
    c_writer out{peers.c};
    REQUIRE(out.create("clock") == IVSHMEM_PEER_OK);
    CHECK(part.section.load(part.entry(0) + 0x18) == 0); // no reader may pin messages
    for (std::size_t at = 0xc0; at < 0x100; at += 4)
        CHECK(part.section.load(part.entry(0) + at) == 0);
    CHECK(part.section.load(layout::header::version) == 0x00010002);
}

TEST_CASE("a writer that breaks the rules ends its own topic only, for a reader in C") {
    two_kinds peers{two_slots, 2 * 32768};
    auto out = topic_writer::create(peers.slot, "bad");
    auto good = topic_writer::create(peers.slot, "good");
    c_reader in{peers.c, "bad"};
    c_reader other{peers.c, "good"};
    out.publish(bytes("one"));
    good.publish(bytes("two"));
    const part_for_topics part{peers, 0};
    const auto record = part.index_of(0) + 32;
    const auto [word, value] = GENERATE(std::pair{layout::topic_record::length, ~0U},
                                        std::pair{layout::topic_record::place, ~0U},
                                        std::pair{layout::topic_record::mark, 0x80000002U});
    part.section.store(record + word, value);
    CHECK(in.read() == IVSHMEM_PEER_FAULT);
    CHECK(in.r.state == IVSHMEM_PEER_TOPIC_POISONED);
    CHECK(in.read() == IVSHMEM_PEER_FAULT);
    CHECK(other.next() == "two");
    CHECK(ivshmem_peer_topic_reopen(&in.r) == IVSHMEM_PEER_OK);
    CHECK(in.r.state == IVSHMEM_PEER_TOPIC_ATTACHED);
}

TEST_CASE("an entry whose numbers cannot be true is no topic for a reader in C") {
    two_kinds peers{two_slots, 2 * 32768};
    auto out = topic_writer::create(peers.slot, "clock");
    const std::size_t word =
        GENERATE(as<std::size_t>{}, layout::topic::index, layout::topic::messages,
                 layout::topic::data, layout::topic::size);
    const std::uint32_t value = GENERATE(0U, 65536U * 2, 0x1000000U, ~0U);
    const part_for_topics part{peers, 0};
    part.section.store(part.entry(0) + word, value);
    c_reader in{peers.c, "clock", 5};
    out.publish(bytes("one"));
    CHECK(in.read() == IVSHMEM_PEER_AGAIN);
    CHECK(in.r.state == IVSHMEM_PEER_TOPIC_SEARCHING);
}

TEST_CASE("a message that is longer than the buffer counts as skipped, for a reader in C") {
    two_kinds peers{two_slots, 2 * 32768};
    auto out = topic_writer::create(peers.slot, "long");
    c_reader in{peers.c, "long"};
    in.capacity = 8;
    for (const char* text : {"12345678", "123456789", "1"})
        out.publish(bytes(text));
    CHECK(in.next() == "12345678");
    CHECK(in.read() == IVSHMEM_PEER_TOO_LARGE);
    CHECK(in.m.length == 9);
    CHECK(in.next() == "1");
    CHECK(in.m.skipped == 1);
    CHECK(in.r.skipped == 1);
}

TEST_CASE("a reader's words can ring a writer in C, and nothing else") {
    two_kinds peers{two_slots, 2 * 32768};
    c_writer out{peers.c};
    REQUIRE(out.create("clock") == IVSHMEM_PEER_OK);
    listener in{peers.slot, "clock"};
    const part_for_topics part{peers, 0};
    std::mt19937 random{3};
    for (int i = 0; i < 200; ++i) {
        for (std::size_t at = 0; at < 128; at += 4)
            part.section.store(part.row(1) + at, static_cast<std::uint32_t>(random()));
        peers.c.rings.clear();
        CHECK(out.send(std::to_string(i)) == IVSHMEM_PEER_OK);
        CHECK(peers.c.rings.size() <= 1);
        CHECK(in.next() == std::to_string(i));
    }
}
