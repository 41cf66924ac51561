// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Writers and readers of topics that write anything, and peers of another version.

#include "topics_fixture.hpp"

#include <random>

using namespace test;

TEST_CASE("topics of a peer of layout 1.1 are not looked for") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "clock");
    out.publish(bytes("one"));
    section_of(peers, 0).store(layout::header::version, 0x00010001);
    listener in{peers.at_b, "clock", 1};
    CHECK_FALSE(in.next());
    section_of(peers, 0).store(layout::header::version, 0x0001ffff);
    CHECK(in.next() == "one");
}

TEST_CASE("a topic whose numbers cannot be true is not found; an honest one of that name is") {
    two_holders peers{{3, 2, 1024}, std::size_t{3} * 32768};
    const auto c = peers.server.join(3);
    const slot third = claim(c, 2, {3, 2, 1024});
    const ivshmem::shared_words first{peers.server.memory().data(), false};
    const std::size_t word =
        GENERATE(as<std::size_t>{}, layout::topic::index, layout::topic::messages,
                 layout::topic::data, layout::topic::size);
    const std::uint32_t value = GENERATE(0U, 1U, 3U, 65536U * 2, 0x1000000U, ~0U);
    auto hostile = topic_writer::create(peers.at_a, "clock");
    const auto entry = first.at(area{3}.entry(0));
    entry.store(layout::topic::key, 0); // or else the next one would not be created
    auto honest = topic_writer::create(third, "clock");
    entry.store(word, value);
    entry.store(layout::topic::key, 1);
    listener in{peers.at_b, "clock"};
    honest.publish(bytes("honest"));
    if (word == layout::topic::size && (value == 1 || value == 3)) { // possible
        CHECK(in.reader.writer_slot() == 0);
    } else {
        CHECK(in.next() == "honest");
        CHECK(in.reader.writer_slot() == 2);
    }
}

TEST_CASE("an entry of a topic that has ended does not hide another one of its name") {
    two_holders peers;
    auto ended = topic_writer::create(peers.at_a, "other");
    auto out = topic_writer::create(peers.at_a, "clock");
    const auto section = section_of(peers, 0);
    const auto first = section.at(area{}.entry(0));
    first.store(layout::topic::flags, layout::topic_ended);
    first.write(layout::topic::name, bytes("clock"));
    listener in{peers.at_b, "clock"};
    out.publish(bytes("one"));
    CHECK(in.next() == "one");
    CHECK(not_created(peers.at_b, "clock") == errc::topic_exists);
}

TEST_CASE("a writer that breaks the rules ends its own topic only") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "bad");
    auto good = topic_writer::create(peers.at_a, "good");
    listener in{peers.at_b, "bad"};
    listener other{peers.at_b, "good"};
    out.publish(bytes("one"));
    good.publish(bytes("two"));
    const auto section = section_of(peers, 0);
    const auto entry = section.at(area{}.entry(0));
    const std::size_t index = std::size_t{entry.load(layout::topic::index)} * 64;
    section.store(index + 32 + layout::topic_record::length, ~0U); // of message 1
    CHECK(in.end() == errc::topic_poisoned);
    CHECK(in.reader.state() == topic_state::poisoned);
    CHECK(other.next() == "two");
    in.reader.reopen();
    CHECK(in.end() == errc::topic_poisoned);
}

TEST_CASE("a reader's words can ring, and nothing else") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "clock");
    listener in{peers.at_b, "clock"};
    const auto row = section_of(peers, 1).at(area{}.row(0));
    std::mt19937 random{3};
    for (int i = 0; i < 200; ++i) {
        for (std::size_t at = 0; at < layout::topics::row_size; at += 4)
            row.store(at, static_cast<std::uint32_t>(random()));
        const auto before = out.rings();
        out.publish(bytes(std::to_string(i)));
        CHECK(out.rings() <= before + 1);
        CHECK(in.next() == std::to_string(i));
    }
}
