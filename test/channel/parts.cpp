// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Messages in parts that a new session or another message interrupts, and reserved room whose
// session has ended.

#include "fixture.hpp"
#include "helpers/deadline.hpp"

#include <algorithm>
#include <vector>

using namespace test;

namespace {

/// 3000 bytes in three different parts, so that a part in the wrong place is detected.
std::string in_thirds() {
    return std::string(1000, 'a') + std::string(1000, 'b') + std::string(1000, 'c');
}

/// A message that is received in steps, with the progress of each.
struct in_steps {
    bool receive(channel& from, std::error_code& ec) {
        return ivshmem::channel_driver{from}.receive_some(
            text.size(), done,
            [this](std::size_t offset, std::span<const std::byte> part) {
                std::memcpy(text.data() + offset, part.data(), part.size());
            },
            ec);
    }

    std::string text = std::string(8192, '\0');
    std::size_t done = 0;
};

/// Begins a new session on both sides. The order decides which side notices the reset.
void begin_again(channel& first, channel& second) {
    first.reopen();
    CHECK(second.update() == ivshmem::channel_state::reset);
    second.reopen();
    meet(first, second);
    REQUIRE(first.state() == ivshmem::channel_state::connected);
    REQUIRE(second.state() == ivshmem::channel_state::connected);
}

} // namespace

TEST_CASE("the rest of a message of an old session is no message of the new one") {
    const deadline limit{10};
    two_holders peers;
    both_ends ends{peers};
    const std::string text = in_thirds();
    std::size_t done = 0;
    std::error_code ec;
    REQUIRE_FALSE(send_text(ends.x, text, done, ec));
    REQUIRE(done != 0);
    if (GENERATE(true, false)) {
        ends.y.reopen();
        CHECK_FALSE(send_text(ends.x, text, done, ec));
        CHECK(end_of(ends.x) == errc::channel_reset);
        CHECK_FALSE(send_text(ends.x, text, done, ec));
        CHECK(ec == errc::channel_reset);
        ends.x.reopen();
        meet(ends.x, ends.y);
    } else {
        begin_again(ends.x, ends.y);
    }
    bool complete = false;
    std::optional<std::string> got;
    ec.clear();
    for (int i = 0; i < 20 && !ec && !got; ++i) {
        complete = complete || send_text(ends.x, text, done, ec);
        got = next(ends.y);
    }
    if (ec) {
        CHECK(ec == errc::channel_reset);
        CHECK_FALSE(got);
        // Sent again from its beginning, it arrives.
        done = 0;
        for (int i = 0; i < 20 && !got; ++i) {
            complete = complete || send_text(ends.x, text, done, ec);
            got = next(ends.y);
        }
    }
    CHECK((got == text));
    CHECK_FALSE(next(ends.y));
}

TEST_CASE("a message of a new session does not follow the first half of an old one") {
    const deadline limit{10};
    two_holders peers;
    both_ends ends{peers};
    std::size_t done = 0;
    std::error_code ec;
    in_steps receiver;
    REQUIRE_FALSE(send_text(ends.x, in_thirds(), done, ec));
    REQUIRE_FALSE(receiver.receive(ends.y, ec));
    REQUIRE(receiver.done != 0);
    if (GENERATE(true, false))
        begin_again(ends.y, ends.x);
    else
        begin_again(ends.x, ends.y);
    const bool whole = GENERATE(true, false);
    const std::string text = whole ? "new" : std::string(2000, 'n');
    done = 0;
    bool complete = false;
    bool received = false;
    for (int i = 0; i < 20 && !received; ++i) {
        complete = complete || send_text(ends.x, text, done, ec);
        received = receiver.receive(ends.y, ec);
        if (ec) {
            CHECK(ec == errc::channel_reset);
            receiver.done = 0;
        }
    }
    REQUIRE(received);
    CHECK((receiver.text.substr(0, receiver.done) == text));
}

TEST_CASE("the rest of a message whose beginning was dropped is skipped") {
    const deadline limit{10};
    two_holders peers;
    both_ends ends{peers};
    ivshmem::channel_driver driver{ends.y};
    driver.skip(); // nothing
    std::size_t done = 0;
    std::error_code ec;
    in_steps receiver;
    const std::string text = in_thirds();
    REQUIRE_FALSE(send_text(ends.x, text, done, ec));
    REQUIRE_FALSE(receiver.receive(ends.y, ec));
    REQUIRE(receiver.done != 0);
    if (GENERATE(true, false))
        driver.keep(std::as_bytes(std::span{receiver.text}.first(receiver.done)));
    driver.skip();
    const auto read = GENERATE(0, 1, 2); // ways to look for the next message
    const auto look = [&]() -> std::optional<std::string> {
        if (read == 0 && !ends.y.next_size(ec))
            return {};
        if (read == 1 && !ends.y.peek(ec))
            return {};
        return next(ends.y);
    };
    CHECK_FALSE(look());
    SECTION("it comes to its end") {
        while (!send_text(ends.x, text, done, ec)) {
            REQUIRE_FALSE(ec);
            CHECK_FALSE(look());
        }
        CHECK_FALSE(look());
    }
    SECTION("the sender takes it back") {
        ivshmem::channel_driver{ends.x}.abandon();
    }
    SECTION("a new session begins") {
        begin_again(ends.x, ends.y);
    }
    done = 0;
    REQUIRE(send_text(ends.x, "behind", done, ec));
    CHECK((look() == "behind"));
    CHECK_FALSE(look());
}

TEST_CASE("between the parts of a message there is no room for another message") {
    two_holders peers;
    both_ends ends{peers};
    const std::string text(1200, 'a');
    std::size_t done = 0;
    std::error_code ec;
    REQUIRE_FALSE(send_text(ends.x, text, done, ec));
    REQUIRE(done != 0);
    if (GENERATE(false, true)) // there is room in the ring
        CHECK_FALSE(next(ends.y));
    const std::size_t size = GENERATE_COPY(text.size() - done, 1U, 0U, 504U);
    const std::string other(size, 'Z');
    const auto refused = [&] {
        CHECK_FALSE(ends.x.try_send(bytes(other), ec));
        CHECK(ends.x.reserve(size, ec).data() == nullptr);
        const std::vector<std::span<const std::byte>> batch(2, bytes(other));
        CHECK(ends.x.try_send_batch(batch, ec) == 0);
    };
    refused();
    CHECK_FALSE(next(ends.y));
    std::optional<std::string> got;
    SECTION("the message is completed") {
        bool complete = false;
        for (int i = 0; i < 20 && !got; ++i) {
            complete = complete || send_text(ends.x, text, done, ec);
            if (!complete)
                refused();
            got = next(ends.y);
        }
        CHECK((got == text));
    }
    SECTION("the message is abandoned") {
        ivshmem::channel_driver{ends.x}.abandon();
    }
    CHECK(ends.x.try_send(bytes(other), ec));
    CHECK_FALSE(ec);
    CHECK((next(ends.y) == other));
    CHECK_FALSE(next(ends.y));
}

TEST_CASE("a message that was reserved or committed before the end is not written after it") {
    const deadline limit{20};
    two_holders peers;
    both_ends ends{peers};
    std::error_code ec;
    const bool committed = GENERATE(false, true);
    REQUIRE(ends.x.reserve(10, ec).data() != nullptr);
    if (committed)
        ends.x.commit(10);
    SECTION("the channel ends") {
        ends.x.close();
    }
    SECTION("the session ends") {
        ends.x.reopen();
    }
    SECTION("the session ends, because the peer opened again") {
        ends.y.reopen();
        CHECK(ends.x.update() == ivshmem::channel_state::reset);
    }
    SECTION("the channel is poisoned") {
        ivshmem::channel_driver{ends.x}.reject(ivshmem::layout_violation::sequence);
    }
    SECTION("the slot ends") {
        peers.at_a.close();
    }
    SECTION("the slot ends, and another peer takes it") {
        REQUIRE(claim_elsewhere(peers.server, 0));
        peers.at_a.answer_claims(ec);
        REQUIRE(ec == errc::slot_lost);
    }
    const auto before = copy_of(peers.server);
    if (!committed)
        ends.x.commit(10);
    ends.x.flush();
    CHECK((copy_of(peers.server) == before));
    CHECK_FALSE(next(ends.y, ec));
}

TEST_CASE("a receiver publishes that it took the last message before it sleeps") {
    two_holders peers;
    both_ends ends{peers};
    std::error_code ec;
    for (int i = 0; i < 3; ++i) {
        REQUIRE(ends.x.try_send(bytes("hi")));
        REQUIRE(ivshmem::channel_driver{ends.x}.arm(ivshmem::channel_driver::for_drained));
        const auto rings = ivshmem::channel_driver{ends.y}.rings();
        REQUIRE(ivshmem::channel_driver{ends.y}.has_data());
        REQUIRE(ends.y.peek(ec).has_value());
        ends.y.consume();
        CHECK_FALSE(ivshmem::channel_driver{ends.y}.has_data());
        CHECK(ivshmem::channel_driver{ends.y}.arm(ivshmem::channel_driver::for_data));
        CHECK(ivshmem::channel_driver{ends.x}.drained());
        CHECK(ivshmem::channel_driver{ends.y}.rings() == rings + 1);
        ivshmem::channel_driver{ends.x}.disarm();
        ivshmem::channel_driver{ends.y}.disarm();
    }
}

namespace {

/// Sends a message of `total` bytes up to `most` of them.
struct slow_sender {
    bool send(channel& to, std::size_t total, std::size_t most, std::error_code& ec) {
        ivshmem::channel_driver driver{to};
        const auto fill = [](std::span<std::byte> into, std::size_t) {
            std::fill(into.begin(), into.end(), std::byte{'p'});
        };
        while (done < most && !ec) {
            const auto before = done;
            static_cast<void>(driver.send_some(total, done, fill, ec));
            if (done == before)
                break;
        }
        return done >= most;
    }
    std::size_t done = 0;
};

} // namespace

TEST_CASE("parts that are kept count against the memory of the slot, until they are received") {
    const deadline limit{20};
    meeting server{1U << 20U};
    const auto a = server.join(1);
    const auto b = server.join(2);
    ivshmem::slot_options options;
    options.geometry = ivshmem::region_geometry{2, 4, 16384};
    options.number = 0;
    const slot at_a = slot::claim(a, options);
    options.number = 1;
    options.memory_for_parts = 100'000;
    const slot at_b = slot::claim(b, options);
    std::vector<channel> x;
    std::vector<channel> y;
    for (std::uint32_t lane = 0; lane < 4; ++lane) {
        x.push_back(channel::open(at_a, 1, lane));
        y.push_back(channel::open(at_b, 0, lane));
        meet(x.back(), y.back());
    }
    std::vector<std::byte> into(1U << 20U);
    std::error_code ec;
    // Returns the bytes that a lane takes, at most `most`, of a longer message.
    const auto taken = [&](std::size_t lane, std::size_t most) {
        slow_sender sender;
        while (sender.done < most && !ec) {
            static_cast<void>(sender.send(x[lane], into.size(), most, ec));
            if (!ec)
                CHECK_FALSE(y[lane].try_receive(into, ec).has_value());
        }
        return sender.done;
    };
    // Half of it, in two channels of one peer: the rest is left for others.
    CHECK(taken(0, 20'000) >= 20'000);
    CHECK_FALSE(ec);
    CHECK(taken(1, 90'000) < 60'000);
    CHECK(ec == errc::channel_poisoned);
    CHECK(y[1].violation() == ivshmem::layout_violation::limit);
    x[1].update();
    CHECK(x[1].state() == ivshmem::channel_state::rejected);
    // What is left of the message on lane 0 arrives; then its memory is free for lane 2.
    ec.clear();
    y[0].close();
    CHECK(taken(2, 30'000) >= 30'000);
    CHECK_FALSE(ec);
    // A message in one piece needs none of it.
    CHECK(x[3].try_send(bytes("whole")));
    CHECK(next(y[3]) == "whole");
}

TEST_CASE("a message is gathered in memory that grows with its parts, then received at once") {
    two_holders peers;
    both_ends ends{peers};
    ivshmem::channel_driver receiver{ends.y};
    const std::string sent = in_thirds();
    std::size_t done = 0;
    std::error_code ec;
    std::optional<std::size_t> size;
    for (int i = 0; i < 100 && !size; ++i) {
        static_cast<void>(done < sent.size() && send_text(ends.x, sent, done, ec));
        REQUIRE_FALSE(ec);
        size = receiver.gather(ec);
        REQUIRE_FALSE(ec);
    }
    REQUIRE(size == sent.size());
    CHECK(receiver.gather(ec) == sent.size()); // again
    CHECK(next(ends.y) == sent);
    CHECK_FALSE(receiver.gather(ec).has_value());
}
