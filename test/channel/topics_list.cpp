// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The list of the topics of a region, with and without a slot.

#include "topics_fixture.hpp"

#include <ivshmem/slot_section.hpp>
#include <ivshmem/topic_info.hpp>

#include <chrono>
#include <random>

using namespace test;
using ivshmem::find_topics;
using ivshmem::topic_info;

namespace {

/// What both lists say.
std::vector<topic_info> listed(const two_holders& peers) {
    const auto list = find_topics(peers.at_b);
    CHECK(find_topics(peers.at_a) == list);
    CHECK(find_topics(peers.server.memory()) == list);
    return list;
}

template <typename... Of>
std::error_code not_listed(const Of&... of) {
    std::error_code ec;
    CHECK(find_topics(of..., ec).empty());
    CHECK_THROWS_AS(find_topics(of...), ivshmem::error);
    return ec;
}

} // namespace

TEST_CASE("the list has the topics of all slots, each as its writer made it") {
    two_holders peers;
    CHECK(listed(peers).empty());
    auto small = topic_writer::create(peers.at_b,
                                      "gr\xc3\xb6\xc3\x9f"
                                      "e",
                                      {.size = 100, .messages = 3, .relayed = true});
    auto clock = topic_writer::create(peers.at_a, "clock");
    auto other = topic_writer::create(peers.at_a, "other", {.size = 64, .messages = 2});
    const auto before = std::chrono::system_clock::now();
    for (int i = 0; i < 7; ++i)
        small.publish(bytes("x"));
    const auto after = std::chrono::system_clock::now();
    auto list = listed(peers);
    REQUIRE(list.size() == 3);
    CHECK(list[0].name == "clock");
    CHECK(list[0].slot == 0);
    CHECK(list[0].number == 0);
    CHECK(list[0].sequence == 0);
    CHECK(list[0].time == ivshmem::topic_message::time_point{});
    CHECK(list[0].size == clock.max_message());
    CHECK(list[0].messages > 2);
    CHECK(list[1].name == "other");
    CHECK(list[1].number == 1);
    CHECK(list[1].key != list[0].key);
    CHECK_FALSE(list[1].relayed);
    CHECK(list[2].name == "gr\xc3\xb6\xc3\x9f"
                          "e");
    CHECK(list[2].slot == 1);
    CHECK(list[2].sequence == 7);
    CHECK(list[2].time >= before);
    CHECK(list[2].time <= after);
    CHECK(list[2].size == 128);
    CHECK(list[2].messages == 4);
    CHECK(list[2].relayed);
    for (const topic_info& each : list)
        CHECK_FALSE((each.ended || each.lost));

    const auto key = list[1].key;
    other.close();
    small.close();
    list = listed(peers);
    REQUIRE(list.size() == 3);
    CHECK(list[1].ended);
    CHECK(list[2].ended);
    CHECK(list[2].relayed); // still
    CHECK(list[2].sequence == 7);
    other = topic_writer::create(peers.at_a, "other");
    list = listed(peers);
    REQUIRE(list.size() == 3);
    CHECK_FALSE(list[1].ended);
    CHECK(list[1].key != key);
}

TEST_CASE("a name that two slots write is in the list twice; a writer that is gone is lost") {
    two_holders peers;
    auto one = topic_writer::create(peers.at_a, "clock");
    auto two = topic_writer::create(peers.at_b, "other");
    section_of(peers, 1).write(area{}.entry(0) + layout::topic::name, bytes("clock"));
    auto list = listed(peers);
    REQUIRE(list.size() == 2);
    CHECK(list[0].name == list[1].name);
    CHECK(list[0].slot != list[1].slot);

    const auto incarnation = section_of(peers, 0).load(layout::header::incarnation);
    section_of(peers, 0).store(layout::header::incarnation, 0);
    list = find_topics(peers.at_b);
    CHECK(find_topics(peers.server.memory()) == list);
    REQUIRE(list.size() == 2);
    CHECK(list[0].lost);
    CHECK_FALSE(list[1].lost);
    section_of(peers, 0).store(layout::header::incarnation, incarnation);
    one.close();
    peers.at_a.close();
    list = find_topics(peers.at_b);
    REQUIRE(list.size() == 2);
    CHECK(list[0].ended);
    CHECK_FALSE(list[0].lost);
}

TEST_CASE("a reader and the list say that a topic is relayed, also after its slot was left") {
    two_holders peers;
    listener brought{peers.at_b, "brought"};
    CHECK_FALSE(brought.reader.relayed());
    auto out = topic_writer::create(peers.at_a, "brought", {.relayed = true});
    auto own = topic_writer::create(peers.at_a, "own");
    const listener from_here{peers.at_b, "own"};
    out.publish(bytes("one"));
    CHECK(brought.next() == "one");
    CHECK(brought.reader.relayed());
    CHECK_FALSE(from_here.reader.relayed());
    peers.at_a.close();
    const auto list = find_topics(peers.at_b);
    REQUIRE(list.size() == 2);
    CHECK(list[0].relayed);
    CHECK(list[0].ended);
    CHECK_FALSE(list[1].relayed);
}

TEST_CASE("the number of the last message has 63 bits") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "clock", {.size = 64, .messages = 4});
    out.publish(bytes("one"));
    const auto section = section_of(peers, 0);
    const auto entry = section.at(area{}.entry(0));
    const auto record = section.at(std::size_t{entry.load(layout::topic::index)} * 64 + 32);
    record.store(layout::topic_record::high, 3);
    auto list = listed(peers);
    REQUIRE(list.size() == 1);
    CHECK(list[0].sequence == (std::uint64_t{3} << 31U) + 1);
    record.store(layout::topic_record::mark, 0); // being overwritten
    list = listed(peers);
    REQUIRE(list.size() == 1);
    CHECK(list[0].sequence == (std::uint64_t{3} << 31U) + 1);
    CHECK(list[0].time == ivshmem::topic_message::time_point{});
}

TEST_CASE("an entry that cannot be true is left out, and the others are there") {
    two_holders peers;
    auto hostile = topic_writer::create(peers.at_a, "hostile");
    auto honest = topic_writer::create(peers.at_a, "honest");
    const auto entry = section_of(peers, 0).at(area{}.entry(0));
    const std::size_t zeros = layout::topic::name + 20;
    switch (GENERATE(range(0, 7))) {
    case 0:
        entry.store(layout::topic::index, ~0U);
        break;
    case 1:
        entry.store(layout::topic::messages, 3);
        break;
    case 2:
        entry.store(layout::topic::size, 0);
        break;
    case 3:
        entry.store(layout::topic::name, 0);
        break;
    case 4:
        entry.write(layout::topic::name, bytes("\x1b[2J"));
        break;
    case 5:
        entry.write(layout::topic::name, bytes("\xff"));
        break;
    default: // behind the end of the name
        entry.write(zeros, bytes("x"));
    }
    const auto list = listed(peers);
    REQUIRE(list.size() == 1);
    CHECK(list[0].name == "honest");
}

TEST_CASE("with any words, the list is bounded and true to its ranges") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "clock");
    const auto section = section_of(peers, 0);
    const auto begin = area{}.entry(0);
    std::mt19937 random{17};
    for (int i = 0; i < 2000; ++i) {
        for (int word = 0; word < 20; ++word) {
            const auto at = begin + random() % (32768 - begin) / 4 * 4;
            section.store(at, static_cast<std::uint32_t>(random()) >> random() % 32);
        }
        const auto entry = section.at(area{}.entry(random() % 16));
        entry.store(layout::topic::index, static_cast<std::uint32_t>(random() % 512));
        entry.store(layout::topic::data, static_cast<std::uint32_t>(random() % 512));
        entry.store(layout::topic::size, static_cast<std::uint32_t>(random() % 256));
        entry.store(layout::topic::messages, 1U << random() % 10);
        const auto list = listed(peers);
        REQUIRE(list.size() <= 16);
        for (const topic_info& each : list) {
            REQUIRE(each.slot == 0);
            REQUIRE(each.number < 16);
            REQUIRE(each.key != 0);
            REQUIRE(each.size <= 32768);
            REQUIRE(each.messages * 32 <= 32768);
            REQUIRE(topic_reader::open(peers.at_b, each.name).is_open());
        }
    }
}

TEST_CASE("a region without topics is refused by name, with and without a slot") {
    two_holders peers{{2, 3, 1024}, std::size_t{2} * 8192};
    CHECK(not_listed(peers.at_a) == errc::topics_unsupported);
    CHECK(not_listed(peers.server.memory()) == errc::topics_unsupported);
    peers.at_a.close();
    CHECK(not_listed(peers.at_a) == errc::closed);
    CHECK(find_topics(std::span<const std::byte>{}).empty());
}

TEST_CASE("the list leaves out a peer of layout 1.1, and a section that ends past the memory") {
    two_holders peers;
    auto one = topic_writer::create(peers.at_a, "one");
    auto two = topic_writer::create(peers.at_b, "two");
    auto list = find_topics(std::span<const std::byte>{peers.server.memory()}.first(65536 - 4096));
    REQUIRE(list.size() == 1);
    CHECK(list[0].name == "one");
    section_of(peers, 0).store(layout::header::version, 0x00010001);
    list = listed(peers);
    REQUIRE(list.size() == 1);
    CHECK(list[0].name == "two");
}
