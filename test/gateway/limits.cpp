// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "limits.hpp"

#include "helpers/catch.hpp"

#include <limits>
#include <vector>

using namespace ivshmem_gateway;
using namespace std::chrono_literals;

namespace {

const limits::clock::time_point start{1h};

/// How many messages of this size a slot passes on at one time, of at most 1000.
int passed(limits& l, std::uint32_t slot, std::size_t bytes, limits::clock::time_point now) {
    int count = 0;
    while (count < 1000 && l.take_message(slot, bytes, now))
        ++count;
    return count;
}

} // namespace

TEST_CASE("a rate of messages") {
    limits l{{.messages = 10, .bytes = 0}};
    CHECK(passed(l, 1, 100, start) == 10);
    CHECK(passed(l, 1, 100, start + 99ms) == 0);
    CHECK(passed(l, 1, 100, start + 100ms) == 1);
    CHECK(passed(l, 1, 100, start + 600ms) == 5);
    CHECK(passed(l, 1, 100, start + 1h) == 10); // no more than a second's
    CHECK(passed(l, 2, 100, start + 1h) == 10); // its own
    CHECK(l.refused(1, refusal::messages) == 5);
    CHECK(l.refused(2, refusal::messages) == 1);
    CHECK(l.refused(3, refusal::messages) == 0);
}

TEST_CASE("a rate of bytes") {
    limits l{{.messages = 0, .bytes = 1000}};
    CHECK(passed(l, 1, 100, start) == 10);
    CHECK(passed(l, 1, 1, start) == 0);
    // A message that is longer than a second's bytes passes, and is paid for afterwards.
    CHECK(l.take_message(1, 5000, start + 10s));
    CHECK_FALSE(l.take_message(1, 1, start + 14s));
    CHECK(l.take_message(1, 1, start + 15s));
    CHECK(l.refused(1, refusal::bytes) == 3);
    CHECK(l.refused(1, refusal::messages) == 0);
    CHECK(passed(l, 1, 0, start + 20s) == 1000); // empty ones cost nothing
}

TEST_CASE("a message that one rate refuses takes nothing of the other") {
    limits l{{.messages = 5, .bytes = 100}};
    CHECK(passed(l, 1, 100, start) == 1);
    CHECK(passed(l, 1, 10, start + 100ms) == 1); // ten bytes are back
    CHECK(passed(l, 1, 0, start + 1200ms) == 5);
}

TEST_CASE("when a message passes") {
    limits l{{.messages = 10, .bytes = 1000}};
    CHECK(l.passes_at(1, 1000, start) == start);
    CHECK(l.take_message(1, 1000, start));
    CHECK(l.passes_at(1, 0, start) == start);
    CHECK(l.passes_at(1, 500, start) == start + 500ms);
    CHECK(l.passes_at(1, 500, start + 400ms) == start + 500ms);
    CHECK(l.passes_at(1, 500, start + 600ms) == start + 600ms);
    CHECK(l.passes_at(1, 5000, start) == start + 1s); // when all bytes are back
    CHECK(passed(l, 1, 0, start) == 9);
    CHECK(l.passes_at(1, 0, start) == start + 100ms);
    CHECK_FALSE(l.take_message(1, 0, start + 99ms));
    CHECK(l.take_message(1, 0, start + 100ms));
    CHECK(l.passes_at(2, 1000, start) == start); // another slot
    limits none{{.messages = 0, .bytes = 0}};
    CHECK(passed(none, 1, 1, start) == 1000);
    CHECK(none.passes_at(1, 1, start) == start);
}

TEST_CASE("amounts and rates of any size") {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    limits slow{{.messages = 1, .bytes = 1}};
    CHECK(slow.take_message(1, most, start));
    CHECK_FALSE(slow.take_message(1, 0, start + 1h));
    CHECK(slow.take_message(1, 0, start + 25h));
    limits fast{{.messages = most, .bytes = most}};
    CHECK(passed(fast, 1, std::size_t{1} << 30U, start) == 1000);
    limits none{{.topics = 0, .retained = 0, .messages = 0, .bytes = 0}};
    CHECK(passed(none, 1, std::size_t{1} << 40U, start) == 1000);
    for (int i = 0; i < 1000; ++i) {
        CHECK(none.take_topic(1));
        CHECK(none.take_retained(1, std::to_string(i)));
    }
}

TEST_CASE("a limit of topics") {
    limits l{{.topics = 2}};
    CHECK(l.take_topic(1));
    CHECK(l.take_topic(1));
    CHECK_FALSE(l.take_topic(1));
    CHECK(l.take_topic(2));
    CHECK_FALSE(l.has_topic(1));
    CHECK(l.has_topic(2));
    l.release_topic(1);
    CHECK(l.has_topic(1));
    CHECK(l.take_topic(1));
    CHECK_FALSE(l.take_topic(1));
    CHECK(l.refused(1, refusal::topics) == 2);
    l.release_topic(3); // of which none was taken
    CHECK(l.take_topic(3));
    CHECK(l.take_topic(3));
    CHECK_FALSE(l.take_topic(3));
}

TEST_CASE("a limit of retained messages") {
    limits l{{.retained = 2}};
    CHECK(l.take_retained(1, "a"));
    CHECK(l.take_retained(1, "b"));
    CHECK(l.take_retained(1, "a")); // it replaces the first one
    CHECK_FALSE(l.take_retained(1, "c"));
    CHECK(l.take_retained(2, "c"));
    CHECK(l.refused(1, refusal::retained) == 1);
}

TEST_CASE("what is refused is reported once") {
    limits l{{.topics = 1}};
    std::vector<std::string> lines;
    const auto report = [&] {
        lines.clear();
        l.report_new([&](std::uint32_t slot, refusal why, std::uint64_t count) {
            lines.push_back(std::to_string(slot) + ": " + std::to_string(count) + " " +
                            std::string{words_for(why)});
        });
        return lines;
    };
    CHECK(report().empty());
    l.count(7, refusal::name);
    l.count(7, refusal::queue, 5);
    CHECK(l.take_topic(3));
    CHECK_FALSE(l.take_topic(3));
    CHECK(report() == std::vector<std::string>{
                          "3: 1 topics over the limit",
                          "7: 1 names that cannot be mapped",
                          "7: 5 messages for which the queue had no room",
                      });
    CHECK(report().empty());
    l.count(7, refusal::queue);
    CHECK(report() == std::vector<std::string>{"7: 1 messages for which the queue had no room"});
    CHECK(l.refused(7, refusal::queue) == 6);
}
