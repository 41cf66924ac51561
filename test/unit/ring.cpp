// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Rings between two ends that follow the rules, in blocks with guard pages.

#include "helpers/catch.hpp"
#include "ring_fixture.hpp"

#include <deque>
#include <functional>
#include <random>
#include <vector>

using namespace test;

namespace {

/// First positions: the start of a ring, and positions so close to 2^32 that they wrap soon.
const std::vector<std::uint32_t> starts{0, 0U - 8, 0U - 512, 0U - 1024, 0U - 1032, 0U - 8192};

constexpr std::uint32_t whole(std::uint32_t length) {
    return layout::record_size(length);
}

} // namespace

TEST_CASE("records of every length, at many positions of the ring") {
    const auto guard = GENERATE(guarded_block::guard::before, guarded_block::guard::behind);
    for (const std::uint32_t start : starts) {
        ring_pair pair{1024, start, ~0U, guard};
        REQUIRE(pair.out.longest_record() == 504);
        for (unsigned turn = 0; turn < 3; ++turn) {
            for (std::uint32_t length = 0; length <= pair.out.longest_record(); ++length) {
                const std::string sent = pattern(length, length + turn);
                REQUIRE(pair.send(sent));
                REQUIRE_FALSE(pair.in.empty());
                REQUIRE(pair.receive() == sent);
                REQUIRE(pair.record.kind == layout::kind::last);
                REQUIRE(pair.in.empty());
                REQUIRE_FALSE(pair.receive().has_value());
            }
        }
        CHECK(pair.out.look_at_cursor());
        CHECK(pair.out.drained());
    }
}

TEST_CASE("a record of every length at every position of the ring") {
    for (std::uint32_t place = 0; place < 1024; place += 8) {
        for (std::uint32_t length = 0; length <= 504; length += 1 + length % 7) {
            ring_pair pair{1024, 0U - 1024 + place};
            const std::string sent = pattern(length, place);
            REQUIRE(pair.send(sent));
            REQUIRE(pair.receive() == sent);
            REQUIRE(pair.send("next"));
            REQUIRE(pair.receive() == "next");
        }
    }
}

TEST_CASE("a message in one step, of every length at every position of the ring") {
    for (std::uint32_t place = 0; place < 1024; place += 8) {
        for (std::uint32_t length = 0; length <= 504; length += 1 + length % 7) {
            ring_pair pair{1024, 0U - 1024 + place};
            const std::string sent = pattern(length, place);
            const bool without_pad = whole(length) <= 1024 - place;
            REQUIRE(pair.send_at_once(sent) == without_pad);
            if (!without_pad)
                REQUIRE(pair.in.empty());
            REQUIRE((without_pad || pair.send(sent)));
            REQUIRE(pair.receive_at_once() == (without_pad ? std::optional{sent} : std::nullopt));
            REQUIRE(pair.receive() == sent);
            REQUIRE((pair.send_at_once("next") || pair.send("next")));
            REQUIRE(pair.receive() == "next");
        }
    }
}

TEST_CASE("a message is not sent in one step before staged records, nor without room") {
    ring_pair pair;
    REQUIRE(pair.stage("staged"));
    CHECK_FALSE(pair.send_at_once("later"));
    CHECK(pair.in.empty());
    pair.out.publish();
    unsigned sent = 0;
    while (pair.send_at_once(pattern(24, sent))) // 32 bytes a record
        ++sent;
    CHECK(sent == (1024 - 16 - layout::record_header) / 32);
    CHECK(pair.receive() == "staged");
    for (unsigned i = 0; i < sent; ++i)
        REQUIRE(pair.receive() == pattern(24, i));
    CHECK(pair.in.empty());
}

TEST_CASE("a message is not received in one step if it is a part, too long or not there") {
    ring_pair pair;
    CHECK_FALSE(pair.receive_at_once());
    REQUIRE(pair.send("part", layout::kind::part, 8));
    CHECK_FALSE(pair.receive_at_once());
    CHECK(pair.receive() == "part");
    REQUIRE(pair.send("last"));
    CHECK_FALSE(pair.receive_at_once()); // the rest of a message
    CHECK(pair.receive() == "last");
    REQUIRE(pair.send("12345678"));
    CHECK_FALSE(pair.receive_at_once(7));
    CHECK(pair.receive_at_once(8) == "12345678");
}

namespace {

/// Words whose pause() does what a peer does meanwhile.
struct paused_words : ivshmem::shared_words {
    using shared_words::shared_words;
    explicit paused_words(const shared_words& of) : shared_words{of} {}
    static inline std::function<void()> meanwhile;
    static void pause() { meanwhile(); }
};

} // namespace

TEST_CASE("a receiver looks away only from a stream that has run dry, and then once more") {
    ring_pair pair;
    ivshmem::ring_consumer<paused_words> in{paused_words{pair.receiver.at()},
                                            paused_words{pair.sender.at()}, pair.size, 1000};
    ivshmem::ring_record record;
    unsigned pauses = 0;
    const auto receive = [&](unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            REQUIRE(in.front(record));
            in.pop(record);
        }
    };
    paused_words::meanwhile = [&] {
        if (++pauses == 1)
            REQUIRE(pair.send("meanwhile"));
    };
    for (const unsigned count : {0U, 1U, 3U}) {
        for (unsigned i = 0; i < count; ++i)
            REQUIRE(pair.send("few"));
        receive(count);
        CHECK_FALSE(in.front(record));
    }
    CHECK(pauses == 0);
    for (unsigned i = 0; i < 4; ++i)
        REQUIRE(pair.send("many"));
    receive(4);
    receive(1); // what came meanwhile
    CHECK(pauses == 1);
    CHECK_FALSE(in.front(record));
    CHECK(pauses == 1);
}

TEST_CASE("a full ring refuses records, loses none, and accepts more when there is room") {
    for (const std::uint32_t start : starts) {
        for (const std::uint32_t length : {0U, 1U, 8U, 100U, 248U, 496U, 504U}) {
            INFO("start " << start << ", length " << length);
            ring_pair pair{1024, start};
            unsigned sent = 0;
            while (pair.send(pattern(length, sent)))
                ++sent;
            CHECK(pair.out.fault() == ivshmem::layout_violation::none);
            CHECK(sent >= 1);
            CHECK(pair.out.unread() <= 1024 - layout::record_header);
            CHECK_FALSE(pair.out.fits());
            // Without a pad, the ring is used except for the head after the last record.
            if (start == 0)
                CHECK(sent == (1024 - layout::record_header) / whole(length));
            CHECK(pair.receive() == pattern(length, 0));
            pair.in.release();
            for (unsigned next = 1; next < sent; ++next)
                REQUIRE(pair.receive() == pattern(length, next));
            CHECK_FALSE(pair.receive().has_value());
            CHECK(pair.out.look_at_cursor());
            CHECK(pair.out.drained());
            CHECK(pair.send(pattern(length, 0)));
        }
    }
}

TEST_CASE("there is room when the cursor reaches room_position()") {
    for (const std::uint32_t start : starts) {
        for (const std::uint32_t small : {0U, 24U, 120U, 240U}) {
            for (const std::uint32_t large : {0U, 100U, 400U, 504U}) {
                ring_pair pair{1024, start};
                while (pair.send(pattern(small, 0))) {
                }
                if (pair.out.reserve(large))
                    continue;
                const std::uint32_t position = pair.out.room_position();
                bool there = false;
                while (pair.receive()) {
                    pair.in.release();
                    there = pair.in.cursor() - position < 1U << 31U;
                    REQUIRE(pair.out.look_at_cursor());
                    if (there)
                        REQUIRE(pair.out.fits());
                }
                CHECK(there);
            }
        }
    }
}

TEST_CASE("staged records become visible together, when they are published") {
    for (const std::uint32_t start : starts) {
        ring_pair pair{1024, start};
        for (unsigned turn = 0; turn < 50; ++turn) {
            for (unsigned i = 0; i < 5; ++i) {
                REQUIRE(pair.stage(pattern(std::size_t{20} * i, turn + i)));
                REQUIRE(pair.in.empty());
                REQUIRE_FALSE(pair.receive().has_value());
            }
            pair.out.publish();
            for (unsigned i = 0; i < 5; ++i)
                REQUIRE(pair.receive() == pattern(std::size_t{20} * i, turn + i));
            REQUIRE(pair.in.empty());
            pair.out.publish(); // no record is staged
            REQUIRE(pair.in.empty());
        }
    }
}

TEST_CASE("a batch that fills the ring") {
    ring_pair pair;
    unsigned staged = 0;
    while (pair.stage(pattern(40, staged)))
        ++staged;
    CHECK(pair.in.empty());
    pair.out.publish();
    for (unsigned i = 0; i < staged; ++i)
        REQUIRE(pair.receive() == pattern(40, i));
    CHECK_FALSE(pair.receive().has_value());
}

TEST_CASE("a shorter record than reserved can be staged") {
    ring_pair pair{1024, 1024 - 64};
    REQUIRE(pair.out.reserve(400)); // needs a pad
    pair.sender.at().write(pair.out.payload(), std::as_bytes(std::span{"abc", 3}));
    pair.out.stage(3, layout::kind::last, 3);
    pair.out.publish();
    CHECK(pair.receive() == "abc");
    REQUIRE(pair.send("def"));
    CHECK(pair.receive() == "def");
}

TEST_CASE("parts of a message, and an abandoned message") {
    ring_pair pair{1024, 0U - 600};
    for (unsigned turn = 0; turn < 20; ++turn) {
        REQUIRE(pair.send(pattern(100, 1), layout::kind::part, 250));
        REQUIRE(pair.send(pattern(100, 2), layout::kind::part, 150));
        REQUIRE(pair.receive() == pattern(100, 1));
        CHECK(pair.record.kind == layout::kind::part);
        CHECK(pair.record.total == 250);
        CHECK(pair.in.in_message());
        REQUIRE(pair.send(pattern(50, 3), layout::kind::last, 50));
        REQUIRE(pair.receive() == pattern(100, 2));
        CHECK(pair.record.total == 150);
        REQUIRE(pair.receive() == pattern(50, 3));
        CHECK(pair.record.kind == layout::kind::last);
        CHECK_FALSE(pair.in.in_message());

        REQUIRE(pair.send(pattern(8, 4), layout::kind::part, 9));
        REQUIRE(pair.send({}, layout::kind::abandon, 0));
        REQUIRE(pair.send("whole"));
        REQUIRE(pair.receive() == pattern(8, 4));
        REQUIRE(pair.receive() == "");
        CHECK(pair.record.kind == layout::kind::abandon);
        CHECK_FALSE(pair.in.in_message());
        REQUIRE(pair.receive() == "whole");
    }
    CHECK(pair.in.fault() == ivshmem::layout_violation::none);
}

TEST_CASE("the cursor must be published after an eighth of the ring") {
    ring_pair pair;
    std::uint32_t read = 0;
    while (pair.send(pattern(24, 0))) { // 32 bytes a record
    }
    for (int i = 0; i < 10; ++i) {
        CHECK(pair.in.cursor() == read / 128 * 128);
        REQUIRE(pair.receive());
        read += 32;
        CHECK(pair.in.released() == (read % 128 == 0));
        CHECK(pair.receiver.at().load(layout::block::cursor) == pair.in.cursor());
    }
}

TEST_CASE("random operations have the results of a queue") {
    for (const std::uint32_t size : {1024U, 4096U}) {
        for (const std::uint32_t start : starts) {
            ring_pair pair{size, start};
            std::mt19937 generator{size + start};
            const auto random = [&] {
                return static_cast<std::uint32_t>(generator());
            };
            std::deque<std::string> queue;
            std::size_t received = 0;
            for (unsigned step = 0; step < 20'000; ++step) {
                const auto choice = random() % 8;
                const std::uint32_t most = choice == 0 ? pair.out.longest_record() : 60;
                if (choice < 4) {
                    const std::string bytes = pattern(random() % (most + 1), step);
                    if ((random() % 2 != 0 && pair.send_at_once(bytes)) || pair.send(bytes))
                        queue.push_back(bytes);
                } else if (const auto got = pair.receive()) {
                    REQUIRE_FALSE(queue.empty());
                    REQUIRE(*got == queue.front());
                    queue.pop_front();
                    ++received;
                } else {
                    REQUIRE(queue.empty());
                }
            }
            CHECK(received > 1000);
            CHECK(pair.in.fault() == ivshmem::layout_violation::none);
            CHECK(pair.out.fault() == ivshmem::layout_violation::none);
        }
    }
}
