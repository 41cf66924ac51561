// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Both ends of a topic in a section with an inaccessible page before and behind it.

#include "channel/shared_words.hpp"
#include "channel/topic_consumer.hpp"
#include "channel/topic_producer.hpp"
#include "helpers/catch.hpp"
#include "ring_fixture.hpp"

#include <random>
#include <string>

using namespace test;
using ivshmem::topic_place;
using ivshmem::topic_record;
using consumer = ivshmem::topic_consumer<words>;
using producer = ivshmem::topic_producer<words>;

namespace {

constexpr std::uint32_t key = 77;

/// A topic in a section of its own: the entry, the index, then the data up to the guard.
struct topic_fixture {
    explicit topic_fixture(std::uint32_t messages = 8, std::uint32_t size = 1024,
                           std::uint64_t before = 0)
        : block{size + messages * 32 + 256, guarded_block::guard::behind},
          section{block.at().at(256)}, place{0, 256, 256 + messages * 32ULL, size, messages},
          out{section, place, before}, in{section, place, key} {
        section.store(layout::topic::key, key);
        const auto low = static_cast<std::uint32_t>(before) & layout::topic_mark_number;
        section.store(layout::topic::oldest, layout::topic_mark_valid | (low + 1));
    }
    void publish(const std::string& text) {
        out.reserve(static_cast<std::uint32_t>(text.size()));
        section.write(out.payload(), std::as_bytes(std::span{text}));
        out.publish(static_cast<std::uint32_t>(text.size()), 1000 + out.newest());
    }
    [[nodiscard]] std::string text_of(const topic_record& r) const {
        std::string text(r.length, '\0');
        section.read(r.payload, std::as_writable_bytes(std::span{text}));
        return text;
    }
    /// The next message of a reader; empty if there is none.
    std::optional<std::string> next(consumer& from) {
        if (!from.next(record))
            return std::nullopt;
        auto text = text_of(record);
        CHECK(from.is_intact(record));
        return text;
    }
    void forge(std::uint32_t entry, std::size_t word, std::uint32_t value) const {
        section.store(place.index + entry * layout::topic_record::size + word, value);
    }

    guarded_block block;
    words section;
    topic_place place;
    producer out;
    consumer in;
    topic_record record;
};

} // namespace

TEST_CASE("messages of all sizes, to the whole ring, are read as they were published") {
    topic_fixture t{16, 1024};
    t.in.start_with_first();
    CHECK_FALSE(t.next(t.in));
    std::uint64_t number = 0;
    for (std::uint32_t size = 0; size <= 1024; ++size) {
        const std::string sent = pattern(size, size);
        t.publish(sent);
        REQUIRE(t.next(t.in) == sent);
        REQUIRE(t.record.number == ++number);
        REQUIRE(t.record.skipped == 0);
        REQUIRE(t.record.time == 1000 + number - 1);
        REQUIRE_FALSE(t.next(t.in));
    }
    CHECK_FALSE(t.in.is_broken());
}

TEST_CASE("a reader that is not overtaken skips nothing, whatever the sizes") {
    topic_fixture t{64, 4096};
    t.in.start_with_first();
    std::mt19937 random{1};
    std::uint64_t read = 0;
    for (unsigned round = 0; round < 3000; ++round) {
        const auto batch = random() % 8; // of at most 512 bytes each: no more than the ring
        for (unsigned i = 0; i < batch; ++i)
            t.publish(pattern(random() % 449, static_cast<unsigned>(t.out.newest())));
        while (const auto text = t.next(t.in)) {
            REQUIRE(t.record.skipped == 0);
            REQUIRE(t.record.number == ++read);
            REQUIRE(*text == pattern(text->size(), static_cast<unsigned>(read - 1)));
        }
        REQUIRE(read == t.out.newest());
    }
}

TEST_CASE("what is read and what is skipped adds up to the number of the message") {
    const std::uint32_t messages = GENERATE(2U, 4U, 64U);
    topic_fixture t{messages, 1024};
    t.in.start_with_first();
    std::mt19937 random{2};
    std::uint64_t read = 0;
    std::uint64_t skipped = 0;
    for (unsigned round = 0; round < 2000; ++round) {
        for (auto i = random() % 40; i > 0; --i)
            t.publish(pattern(random() % 300, static_cast<unsigned>(t.out.newest())));
        for (auto i = random() % 20; i > 0; --i) {
            const auto text = t.next(t.in);
            if (!text)
                break;
            ++read;
            skipped += t.record.skipped;
            REQUIRE(read + skipped == t.record.number);
            REQUIRE(*text == pattern(text->size(), static_cast<unsigned>(t.record.number - 1)));
        }
    }
    CHECK(skipped > 0);
    while (t.next(t.in)) {
        ++read;
        skipped += t.record.skipped;
    }
    CHECK(read + skipped == t.out.newest());
}

TEST_CASE("a reader that was overtaken goes on in the middle of those that are left") {
    topic_fixture t{8, 64 * 100};
    t.in.start_with_first();
    for (int i = 0; i < 100; ++i)
        t.publish("message");
    REQUIRE(t.next(t.in)); // 8 are left: 93 to 100
    CHECK(t.record.number > 93);
    CHECK(t.record.number < 100);
    CHECK(t.record.skipped == t.record.number - 1);
    std::uint64_t last = t.record.number;
    while (t.next(t.in)) {
        CHECK(t.record.skipped == 0);
        CHECK(t.record.number == ++last);
    }
    CHECK(last == 100);
}

TEST_CASE("a later reader begins with the next message, or with some that are there") {
    topic_fixture t{8, 64 * 100};
    for (int i = 1; i <= 5; ++i)
        t.publish("message " + std::to_string(i));
    consumer now{t.section, t.place, key};
    consumer two{t.section, t.place, key};
    consumer many{t.section, t.place, key};
    REQUIRE(now.start_with_next(0));
    REQUIRE(two.start_with_next(2));
    REQUIRE(many.start_with_next(1000));
    CHECK_FALSE(t.next(now));
    CHECK(t.next(two) == "message 4");
    CHECK(t.record.skipped == 0);
    CHECK(t.next(two) == "message 5");
    CHECK_FALSE(t.next(two));
    CHECK(t.next(many) == "message 1");
    t.publish("message 6");
    CHECK(t.next(now) == "message 6");
    CHECK(t.record.skipped == 0);
    for (int i = 7; i <= 30; ++i)
        t.publish("message " + std::to_string(i));
    consumer after{t.section, t.place, key};
    REQUIRE(after.start_with_next(1000));
    CHECK(t.next(after) == "message 23"); // an index of 8 has the last 8
    CHECK(t.record.skipped == 0);
}

TEST_CASE("the latest message is read once, also one that was there before the reader") {
    topic_fixture t;
    CHECK_FALSE(t.in.latest(t.record)); // not started
    t.publish("one");
    t.publish("two");
    REQUIRE(t.in.start_with_next(0));
    REQUIRE(t.in.latest(t.record));
    CHECK(t.text_of(t.record) == "two");
    CHECK(t.record.skipped == 0);
    CHECK_FALSE(t.in.latest(t.record));
    for (const char* text : {"three", "four", "five"})
        t.publish(text);
    REQUIRE(t.in.latest(t.record));
    CHECK(t.text_of(t.record) == "five");
    CHECK(t.record.skipped == 2);
    CHECK_FALSE(t.in.latest(t.record));
    CHECK_FALSE(t.next(t.in));
}

TEST_CASE("a loan takes the room of the oldest messages, and readers see that") {
    topic_fixture t{8, 256};
    t.in.start_with_first();
    for (const char* text : {"one", "two", "three", "four"})
        t.publish(text);
    topic_record first;
    REQUIRE(t.in.next(first));
    CHECK(t.in.is_intact(first));
    t.out.reserve(1);
    CHECK_FALSE(t.in.is_intact(first));
    t.section.bytes(t.out.payload(), 1)[0] = std::byte{'5'};
    CHECK(t.next(t.in) == "two");
    t.out.reserve(256); // all of the ring, instead
    CHECK_FALSE(t.next(t.in));
    CHECK_FALSE(t.in.is_broken());
    t.out.publish(256, 0);
    REQUIRE(t.next(t.in));
    CHECK(t.record.number == 5);
    CHECK(t.record.skipped == 2);
    CHECK(t.record.length == 256);
}

TEST_CASE(
    "a reader that comes during a loan of the whole ring reads what is published after it came") {
    topic_fixture t{8, 256, GENERATE(0ULL, 0x7ffffffeULL)}; // also where the marks begin again
    t.publish("before");
    t.out.reserve(256);
    const std::uint64_t history = GENERATE(0U, 5U);
    CHECK_FALSE(t.in.start_with_next(history));
    const unsigned published = GENERATE(1U, 3U);
    t.out.publish(10, 0);
    for (unsigned i = 1; i < published; ++i)
        t.publish("after");
    REQUIRE(t.in.start_with_next(history));
    for (unsigned i = 0; i < published; ++i) {
        REQUIRE(t.in.next(t.record));
        CHECK(t.record.skipped == 0);
    }
    CHECK(t.record.number == t.out.newest());
    CHECK_FALSE(t.in.next(t.record));
}

TEST_CASE("a message that was lost while it was copied is reported with the next one") {
    topic_fixture t;
    t.in.start_with_first();
    t.publish("one");
    t.publish("two");
    REQUIRE(t.in.next(t.record));
    t.in.lose(t.record);
    CHECK(t.next(t.in) == "two");
    CHECK(t.record.skipped == 1);
}

TEST_CASE("numbers beyond 31 and 32 bits") {
    const std::uint64_t before =
        GENERATE(0x7ffffff0ULL, 0xfffffff0ULL, 0x7fffffffULL, 0x3fffffffffffff0ULL);
    topic_fixture t{8, 1024, before};
    t.publish("there");
    REQUIRE(t.in.start_with_next(1));
    std::uint64_t number = before;
    CHECK(t.next(t.in) == "there");
    CHECK(t.record.number == ++number);
    for (int i = 0; i < 100; ++i) {
        t.publish("x");
        REQUIRE(t.next(t.in) == "x");
        REQUIRE(t.record.number == ++number);
        REQUIRE(t.record.skipped == 0);
    }
    for (int i = 0; i < 100; ++i)
        t.publish("x");
    REQUIRE(t.next(t.in));
    CHECK(t.record.number == number + 1 + t.record.skipped);
}

TEST_CASE("a reader sleeps only while nothing was published since it looked") {
    topic_fixture t;
    REQUIRE(t.in.start_with_next(0));
    CHECK_FALSE(t.in.is_empty());
    CHECK_FALSE(t.next(t.in));
    CHECK(t.in.is_empty());
    t.publish("one");
    CHECK_FALSE(t.in.is_empty());
    CHECK(t.next(t.in) == "one");
    CHECK_FALSE(t.in.is_empty());
    CHECK_FALSE(t.next(t.in));
    CHECK(t.in.is_empty());
}

TEST_CASE("a writer that breaks the rules is noticed, and nothing outside of the data is read") {
    topic_fixture t{4, 256};
    t.in.start_with_first();
    t.publish("one");
    SECTION("a place behind the data") {
        t.forge(1, layout::topic_record::place, GENERATE(5U, 0x10000U, ~0U));
        CHECK_FALSE(t.in.next(t.record));
        CHECK(t.in.is_broken());
        CHECK_FALSE(t.in.latest(t.record));
    }
    SECTION("a length over the end of the data") {
        t.forge(1, layout::topic_record::place, 4);
        t.forge(1, layout::topic_record::length, GENERATE(1U, 256U, ~0U));
        CHECK_FALSE(t.in.next(t.record));
        CHECK(t.in.is_broken());
    }
    SECTION("a number that belongs to another entry of the index") {
        t.forge(1, layout::topic_record::mark, layout::topic_mark_valid | 2U);
        CHECK_FALSE(t.in.next(t.record));
        CHECK(t.in.is_broken());
    }
    SECTION("a number that runs ahead is only a number of skipped messages") {
        t.forge(1, layout::topic_record::high, 5);
        t.section.store(layout::topic::newest, layout::topic_mark_valid | 1U);
        REQUIRE(t.in.next(t.record));
        CHECK(t.record.skipped == (std::uint64_t{5} << 31U));
    }
    SECTION("a number that is announced, but never comes, ends in nothing") {
        t.section.store(layout::topic::newest, GENERATE(1U, 0x80000003U, ~0U));
        CHECK(t.in.next(t.record));
        CHECK_FALSE(t.in.next(t.record));
        CHECK_FALSE(t.in.latest(t.record));
        CHECK(t.in.is_empty());
    }
    SECTION("another key: it is another topic") {
        CHECK(t.in.next(t.record));
        CHECK(t.in.is_intact(t.record));
        t.section.store(layout::topic::key, key + 1);
        CHECK_FALSE(t.in.is_intact(t.record));
        CHECK_FALSE(t.in.is_there());
    }
}
