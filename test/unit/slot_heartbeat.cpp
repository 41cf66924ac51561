// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The judgement of heartbeats, by a clock of the test.

#include "channel/slot_heartbeat.hpp"

#include "helpers/catch.hpp"

using ivshmem::beat_judge;
using ivshmem::beat_words;
using namespace std::chrono_literals;

namespace {

constexpr auto own = 100ms;

/// A header with a period in milliseconds and a number of beats.
beat_words beats_of(std::uint32_t period, std::uint32_t beats, std::uint32_t incarnation = 7) {
    beat_words w;
    w.incarnation = w.beating = incarnation;
    w.heartbeat = period | beats << 16U;
    return w;
}

/// A side that looks at a peer.
struct watcher {
    void look(const beat_words& w, std::chrono::milliseconds after = own) {
        now += after;
        judge.look(w, own, now);
    }
    /// The number of looks until a peer whose words do not change is silent; 0: more than 1000.
    unsigned looks_until_silent(const beat_words& w, std::chrono::milliseconds each = own) {
        for (unsigned looks = 1; looks <= 1000; ++looks) {
            look(w, each);
            if (judge.is_silent(w, own))
                return looks;
        }
        return 0;
    }

    beat_judge judge;
    beat_judge::clock::time_point now{1h};
};

} // namespace

TEST_CASE("a peer is silent after four periods, the longer of the two") {
    watcher w;
    CHECK(w.looks_until_silent(beats_of(100, 1)) == 1 + 4);
    w = {};
    CHECK(w.looks_until_silent(beats_of(10, 1)) == 1 + 4);
    w = {};
    CHECK(w.looks_until_silent(beats_of(300, 1)) == 1 + 12);
}

TEST_CASE("a peer that beats once in less than four periods is never silent") {
    watcher w;
    for (std::uint32_t beats = 1; beats < 200; ++beats) {
        for (int look = 0; look < 4; ++look)
            w.look(beats_of(100, beats));
        REQUIRE_FALSE(w.judge.is_silent(beats_of(100, beats), own));
    }
}

TEST_CASE("a silent peer that beats again is not silent, even before the next look") {
    watcher w;
    REQUIRE(w.looks_until_silent(beats_of(100, 1)) != 0);
    CHECK(w.judge.is_silent(beats_of(100, 1), own));
    CHECK_FALSE(w.judge.is_silent(beats_of(100, 2), own));
    w.look(beats_of(100, 2));
    CHECK_FALSE(w.judge.is_silent(beats_of(100, 2), own));
    CHECK(w.looks_until_silent(beats_of(100, 2)) == 4);
}

TEST_CASE("a side that did not run does not take its own silence for that of others") {
    watcher w;
    w.look(beats_of(100, 1));
    for (int look = 0; look < 3; ++look) {
        w.look(beats_of(100, 1), 24h);
        CHECK_FALSE(w.judge.is_silent(beats_of(100, 1), own));
    }
    w.look(beats_of(100, 1), 24h);
    CHECK(w.judge.is_silent(beats_of(100, 1), own));
}

TEST_CASE("a peer that does not beat is not judged") {
    watcher w;
    SECTION("no period") {
        CHECK(w.looks_until_silent(beats_of(0, 3)) == 0);
    }
    SECTION("the words of an earlier holder, or garbage") {
        beat_words left = beats_of(100, 3);
        left.beating = 8;
        CHECK(w.looks_until_silent(left) == 0);
    }
    SECTION("no holder") {
        CHECK(w.looks_until_silent(beats_of(100, 3, 0)) == 0);
    }
}

TEST_CASE("false values only delay the judgement of the peer that wrote them") {
    watcher w;
    CHECK(w.looks_until_silent(beats_of(0xffff, 0xffff), 60s) == 1 + 5);
    w = {};
    CHECK(w.looks_until_silent(beats_of(1, 0)) == 1 + 4);
    w = {};
    for (std::uint32_t look = 0; look < 100; ++look) {
        w.look(beats_of(look % 2 == 0 ? 1 : 0xffff, look));
        REQUIRE_FALSE(w.judge.is_silent(beats_of(look % 2 == 0 ? 1 : 0xffff, look), own));
    }
    SECTION("a clock that stands still or goes back adds nothing") {
        const auto end = w.now;
        CHECK(w.looks_until_silent(beats_of(100, 9), 0ms) == 0);
        w.now = end;
        CHECK(w.looks_until_silent(beats_of(100, 9), -5ms) == 0);
    }
}
