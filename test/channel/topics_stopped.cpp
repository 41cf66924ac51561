// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Processes that go on after another one has claimed their slot: the memory belongs to that one.

#include "pinned_topic.hpp"

using namespace test;

namespace {

/// Runs a step of a process that was stopped while another one claimed its slot.
/// @return Whether it wrote nothing.
template <typename Step>
bool writes_nothing(const two_holders& peers, Step step) {
    const auto before = copy_of(peers.server);
    step();
    return copy_of(peers.server) == before;
}

template <typename Step>
std::error_code error_of(Step step) {
    std::error_code ec;
    step(ec);
    return ec;
}

} // namespace

TEST_CASE("a reader that was stopped touches no pin of the next holder of its slot") {
    const deadline limit;
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "video", frames);
    auto in = pinning(peers.at_b);
    topic_pin held = next_held(out, in);
    publish(out);
    const auto view = in.try_view();
    REQUIRE(view.has_value());
    if (GENERATE(false, true))
        CHECK(in.arm() == in.arm()); // asks to be rung, or has a message
    REQUIRE(claim_elsewhere(peers.server, 1, [] {}));
    const auto pins = pins_of_b(peers);
    const auto key = section_of(peers, 0).load(area{}.entry(0) + layout::topic::key);
    // As the next holder would hold the same message.
    pins.store(layout::topic_pin::mark, layout::topic_mark_valid | 1U);
    pins.store(layout::topic_pin::tag, key);
    section_of(peers, 1).store(area{}.row(0), 1U);
    CHECK(writes_nothing(peers, [&] {
        SECTION("it releases") {
            held.release();
        }
        SECTION("it pins another message") {
            CHECK(error_of([&](auto& ec) { CHECK_FALSE(in.pin(*view, ec).is_open()); }) ==
                  errc::slot_lost);
        }
        SECTION("it asks to be rung") {
            CHECK_FALSE(in.arm());
        }
        SECTION("it withdraws that") {
            in.disarm();
        }
        SECTION("it opens another reader") {
            CHECK(error_of([&](auto& ec) {
                      CHECK_FALSE(pinning(peers.at_b).try_view_latest(ec).has_value());
                  }) == errc::slot_lost);
        }
        SECTION("it closes all") {
            in.close();
            held.release();
        }
        CHECK_FALSE(held.still_valid());
    }));
}

TEST_CASE("a writer that was stopped touches no topic of the next holder of its slot") {
    const deadline limit;
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "video");
    auto other = topic_writer::create(peers.at_a, "other");
    const auto lent = out.loan(4);
    REQUIRE(lent.size() == 4);
    REQUIRE(claim_elsewhere(peers.server, 0, [] {}));
    CHECK(writes_nothing(peers, [&] {
        SECTION("it publishes a copy") {
            CHECK(error_of([&](auto& ec) { out.publish(bytes("text"), ec); }) == errc::slot_lost);
        }
        SECTION("it publishes a loan") {
            CHECK(error_of([&](auto& ec) { out.publish(ec); }) == errc::slot_lost);
        }
        SECTION("it takes a loan") {
            CHECK(error_of([&](auto& ec) { CHECK(out.loan(4, ec).empty()); }) == errc::slot_lost);
        }
        SECTION("it makes a topic") {
            CHECK(not_created(peers.at_a, "third") == errc::slot_lost);
        }
        SECTION("it ends its topic") {
            out.close();
        }
        other.close();
    }));
}

TEST_CASE("what was written over a pin is noticed, and the writer goes on") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "video", frames);
    auto in = pinning(peers.at_b);
    topic_pin held = next_held(out, in);
    publish(out);
    const auto view = in.try_view();
    REQUIRE(view.has_value());
    REQUIRE(held.still_valid());
    const auto pins = pins_of_b(peers);
    const std::size_t word =
        GENERATE(as<std::size_t>{}, layout::topic_pin::mark, layout::topic_pin::tag);
    // As a process that held the slot before, and was stopped between its look and its step.
    pins.store(word, GENERATE(0U, layout::topic_mark_valid | 2U));
    for (int i = 0; i < 20; ++i)
        publish(out);
    CHECK_FALSE(held.still_valid());
    CHECK(out.sequence() == 22);
    held.release();
    const auto again = in.try_view_latest();
    REQUIRE(again.has_value());
    const topic_pin next = in.pin(*again);
    for (int i = 0; i < 20; ++i)
        publish(out);
    CHECK(next.still_valid());
    CHECK(is_whole(next.message()));
}
