// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Messages of topics that readers hold: in any order, also those that crash or write anything.

#include "pinned_topic.hpp"

#include <deque>
#include <random>

using namespace test;

namespace {

std::error_code not_pinned(topic_reader& in, const ivshmem::topic_message& message) {
    std::error_code ec;
    CHECK_FALSE(in.pin(message, ec).is_open());
    CHECK_THROWS_AS(in.pin(message), ivshmem::error);
    return ec;
}

/// The offset of a place in the memory that slot 0 or 1 has mapped.
std::ptrdiff_t room_of(const ivshmem::device& of, const std::byte* at) {
    return at - of.memory().data();
}

} // namespace

TEST_CASE("a message that is held stays, while the writer goes on around its room") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "video", frames);
    CHECK(out.max_message() == frame);
    auto in = pinning(peers.at_b);
    topic_pin first = next_held(out, in);
    topic_pin second = next_held(out, in);
    for (int i = 0; i < 100; ++i)
        publish(out);
    CHECK_FALSE(in.still_valid(first.message())); // it is found no more
    for (const auto* each : {&first, &second}) {
        CHECK(is_whole(each->message()));
        CHECK(each->still_valid());
    }
    CHECK(first.message().sequence == 1);
    const auto room = room_of(peers.b, first.message().bytes.data());
    const auto other_room = room_of(peers.b, second.message().bytes.data());
    topic_pin moved = std::move(first);
    CHECK_FALSE(first.still_valid());
    CHECK(moved.still_valid());
    moved.release(); // before the second one
    CHECK_FALSE(moved.still_valid());
    CHECK(moved.message().bytes.empty());
    bool used_again = false;
    for (int i = 0; i < 20; ++i) {
        const auto lent = room_of(peers.a, out.loan(frame).data());
        used_again = used_again || lent == room;
        CHECK(lent != other_room);
        out.publish();
    }
    CHECK(used_again);
    CHECK(second.still_valid());
    CHECK(is_whole(second.message()));
}

TEST_CASE("pins are released in any order, and each frame is whole until then") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "video", frames);
    auto in = pinning(peers.at_b);
    auto other = pinning(peers.at_b, 0);
    std::deque<topic_pin> held;
    std::mt19937 random{5};
    for (int i = 0; i < 2000; ++i) {
        for (auto more = random() % 4; more > 0; --more)
            publish(out);
        if (held.size() == 2)
            held.erase(held.begin() + static_cast<std::ptrdiff_t>(random() % 2));
        if (random() % 3 == 0 && !held.empty())
            held.pop_back();
        const auto view = random() % 2 == 0 ? in.try_view() : in.try_view_latest();
        if (view)
            held.push_back(in.pin(*view));
        for (const auto& each : held) {
            REQUIRE(is_whole(each.message()));
            REQUIRE(each.still_valid());
        }
        while (other.try_view()) {
        }
    }
    CHECK(other.skipped() == 0); // the room of others is enough for a reader that keeps up
}

TEST_CASE("no pin without a grant, nor more than granted, nor of a message that is gone: by name") {
    two_holders peers{{4, 1, 1024}, std::size_t{4} * 32768};
    std::vector<ivshmem::device> devices;
    std::vector<slot> slots;
    for (std::uint32_t number : {2U, 3U}) {
        devices.push_back(peers.server.join(static_cast<std::uint16_t>(number + 1)));
        slots.push_back(claim(devices.back(), number, {4, 1, 1024}));
    }
    auto out = topic_writer::create(peers.at_a, "video", frames);
    publish(out);
    auto in = pinning(peers.at_b, 8); // and gets 2
    auto none = pinning(peers.at_b, 0);
    std::error_code ec;
    CHECK_FALSE(topic_reader::open(peers.at_b, "video", {.pins = 9}, ec).is_open());
    CHECK(ec == std::errc::invalid_argument);
    auto before = in.try_view_latest();
    REQUIRE(before.has_value());
    CHECK(not_pinned(in, *before) == errc::pin_refused); // the writer did not hear of it
    publish(out);
    const auto unasked = none.try_view();
    REQUIRE(unasked.has_value());
    CHECK(not_pinned(none, *unasked) == errc::pin_refused);
    const topic_pin first = in.pin(*in.try_view());
    const topic_pin second = in.pin(*before);
    CHECK(not_pinned(in, *before) == errc::pins_in_use);
    auto third = pinning(slots[0]);
    auto fourth = pinning(slots[1]);
    for (int i = 0; i < 10; ++i)
        publish(out);
    CHECK(not_pinned(in, *before) == errc::message_overwritten);
    const topic_pin of_third = third.pin(*third.try_view_latest());
    CHECK(not_pinned(fourth, *fourth.try_view_latest()) == errc::pin_refused); // two readers
    third.close(); // what it holds stays
    for (int i = 0; i < 10; ++i)
        publish(out);
    CHECK(of_third.still_valid());
    CHECK(is_whole(of_third.message()));
    CHECK(not_pinned(third, *before) == errc::closed);
}

TEST_CASE("a reader that asks no more leaves its grant to another one") {
    two_holders peers{{3, 1, 1024}, std::size_t{3} * 32768};
    const auto c = peers.server.join(3);
    const slot third = claim(c, 2, {3, 1, 1024});
    auto out = topic_writer::create(
        peers.at_a, "video",
        {.size = 4 * frame, .max_message = frame, .pinning_readers = 1, .pins_each = 1});
    auto in = pinning(peers.at_b);
    auto waits = pinning(third);
    topic_pin held = next_held(out, in);
    CHECK(not_pinned(waits, *waits.try_view()) == errc::pin_refused);
    in.close();
    publish(out);
    CHECK(not_pinned(waits, *waits.try_view()) == errc::pin_refused); // still held
    held.release();
    publish(out);
    CHECK(waits.pin(*waits.try_view()).is_open());
}

TEST_CASE("what a reader holds ends with its slot, and not before") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "video", frames);
    auto in = pinning(peers.at_b);
    const topic_pin held = next_held(out, in);
    const auto room = room_of(peers.b, held.message().bytes.data());
    const auto is_used_again = [&] {
        for (int i = 0; i < 20; ++i) {
            if (room_of(peers.a, out.loan(frame).data()) == room)
                return true;
            out.publish();
        }
        return false;
    };
    CHECK_FALSE(is_used_again());
    SECTION("it leaves the slot") {
        peers.at_b.close();
    }
    SECTION("it crashed, and another process claims the slot") {
        REQUIRE(claim_elsewhere(peers.server, 1));
    }
    CHECK(is_used_again());
    CHECK_FALSE(held.still_valid());
}

TEST_CASE("a message that is held ends with its topic, once the room is used for another one") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "video", frames);
    auto in = pinning(peers.at_b);
    const topic_pin held = next_held(out, in);
    out.close();
    CHECK(held.still_valid());
    CHECK(is_whole(held.message()));
    out = topic_writer::create(peers.at_a, "video", frames);
    CHECK_FALSE(held.still_valid());
    std::error_code ec;
    CHECK_FALSE(in.try_view(ec).has_value());
    CHECK(ec == errc::topic_closed);
    in.reopen();
    publish(out);
    REQUIRE(in.try_view().has_value());
    CHECK(next_held(out, in).still_valid());
}

TEST_CASE("a reader that pins anything at any time never keeps the writer from writing") {
    two_holders peers{{3, 1, 1024}, std::size_t{3} * 32768};
    const auto c = peers.server.join(3);
    const slot honest = claim(c, 2, {3, 1, 1024});
    // The hostile reader may hold two of six cells.
    auto out = topic_writer::create(
        peers.at_a, "video",
        {.size = 6 * frame, .max_message = frame, .pinning_readers = 2, .pins_each = 2});
    auto hostile = pinning(peers.at_b);
    auto in = pinning(honest);
    topic_pin held = next_held(out, in);
    const std::size_t slots_of_three = 4096 + 2 * (256 + 1024);
    const auto memory = peers.server.memory();
    const ivshmem::shared_words pins{
        memory.data() + memory.size() / 3 + slots_of_three + layout::topics::pins, false};
    const std::uint32_t key = pins.load(layout::topic_pin::tag);
    REQUIRE(key != 0);
    std::mt19937 random{7};
    for (int i = 0; i < 3000; ++i) {
        for (std::size_t pin = 0; pin < layout::topics::pins_per_row; ++pin) {
            const auto some = out.sequence() - random() % 8;
            pins.store(pin * 8 + layout::topic_pin::mark,
                       random() % 8 == 0
                           ? static_cast<std::uint32_t>(random())
                           : layout::topic_mark_valid | static_cast<std::uint32_t>(some));
            pins.store(pin * 8 + layout::topic_pin::tag,
                       random() % 8 == 0 ? static_cast<std::uint32_t>(random()) : key);
        }
        publish(out);
        REQUIRE(held.still_valid());
        REQUIRE(is_whole(held.message()));
        const auto view = in.try_view_latest();
        REQUIRE(view.has_value());
        REQUIRE(view->sequence == out.sequence());
        if (random() % 4 == 0) {
            std::error_code ec;
            auto next = in.pin(*view, ec);
            REQUIRE_FALSE(ec);
            held = std::move(next);
        }
    }
}

TEST_CASE("the room must be enough for what can be held, and a loan and a message more") {
    two_holders peers;
    const auto with = [](std::uint64_t size, std::uint64_t longest, std::uint32_t readers,
                         std::uint32_t each) {
        return ivshmem::topic_options{
            .size = size, .max_message = longest, .pinning_readers = readers, .pins_each = each};
    };
    CHECK(not_created(peers.at_a, "x", with(7 * 256, 256, 2, 3)) == errc::region_too_small);
    CHECK(not_created(peers.at_a, "x", with(64, 0, 1, 1)) == errc::region_too_small);
    CHECK(not_created(peers.at_a, "x", with(0, 8192, 1, 2)) == errc::region_too_small);
    CHECK(not_created(peers.at_a, "x", with(4096, 64, 9, 1)) == std::errc::invalid_argument);
    CHECK(not_created(peers.at_a, "x", with(4096, 64, 1, 9)) == std::errc::invalid_argument);
    CHECK(not_created(peers.at_a, "x", with(4096, 64, 1, 0)) == std::errc::invalid_argument);
    CHECK(not_created(peers.at_a, "x", with(256, 257, 0, 2)) == std::errc::invalid_argument);
    CHECK(topic_writer::create(peers.at_a, "a", with(0, 1000, 1, 1)).max_message() == 1024);
    CHECK(topic_writer::create(peers.at_a, "b", with(8 * 64, 0, 2, 3)).max_message() == 64);
    CHECK(topic_writer::create(peers.at_a, "c", with(4096, 100, 0, 2)).max_message() == 100);
}

TEST_CASE("a second loan gets the same room, and pins beside it work") {
    two_holders peers;
    auto out = topic_writer::create(peers.at_a, "video", frames);
    auto in = pinning(peers.at_b);
    for (int i = 0; i < 20; ++i) {
        const auto* const room = out.loan(frame).data();
        CHECK(out.loan(1).data() == room);
        publish(out);
    }
    const topic_pin held = next_held(out, in);
    CHECK(pins_of_b(peers).load(layout::topic_pin::mark) ==
          (layout::topic_mark_valid | static_cast<std::uint32_t>(held.message().sequence)));
    CHECK(held.still_valid());
}
