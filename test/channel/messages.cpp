// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Messages of every size, between two sides that follow the rules.

#include "fixture.hpp"
#include "helpers/deadline.hpp"

#include <array>
#include <vector>

using namespace test;

namespace {

std::string text_of(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        text[i] = static_cast<char>(i * 31 + i / 253 + size);
    return text;
}

/// Sends and receives in turns until the message has arrived.
std::string through(both_ends& ends, const std::string& text) {
    std::string got(text.size() + 1, '\0');
    std::size_t sent = 0;
    std::size_t received = 0;
    std::error_code ec;
    bool complete = false;
    const auto copy = [&](std::size_t offset, std::span<const std::byte> part) {
        std::memcpy(got.data() + offset, part.data(), part.size());
    };
    for (bool over = false; !over && !ec;) {
        complete = complete || send_text(ends.x, text, sent, ec);
        over = ivshmem::channel_driver{ends.y}.receive_some(text.size(), received, copy, ec);
    }
    CHECK(ec == std::error_code{});
    CHECK(complete);
    got.resize(received);
    return got;
}

} // namespace

TEST_CASE("messages of every size that fits into one record") {
    two_holders peers;
    both_ends ends{peers};
    CHECK(ends.x.max_whole_message() == 504);
    for (std::size_t size = 0; size <= 504; ++size) {
        const std::string text = text_of(size);
        REQUIRE(ends.x.try_send(bytes(text)));
        REQUIRE(next(ends.y) == text);
        REQUIRE_FALSE(next(ends.y).has_value());
    }
    CHECK(ivshmem::channel_driver{ends.x}.drained());
    std::error_code ec;
    CHECK_FALSE(ends.x.try_send(bytes(text_of(505)), ec));
    CHECK(ec == errc::message_too_large);
}

TEST_CASE("messages in parts, up to some MiB") {
    const deadline limit;
    two_holders peers;
    both_ends ends{peers};
    for (const std::size_t size : {0U, 1U, 504U, 505U, 512U, 1000U, 4096U, 65537U, 3U << 20U})
        CHECK((through(ends, text_of(size)) == text_of(size)));
    for (std::size_t size = 500; size < 1600; size += 7)
        CHECK((through(ends, text_of(size)) == text_of(size)));
}

TEST_CASE("a message over the limit of the peer") {
    two_holders peers;
    ivshmem::channel_options options;
    options.max_message = 100;
    both_ends ends{peers, options};
    CHECK(ends.x.peer_max_message() == 100);
    std::error_code ec;
    std::size_t done = 0;
    CHECK(ends.x.try_send(bytes(text_of(100))));
    CHECK_FALSE(ends.x.try_send(bytes(text_of(101)), ec));
    CHECK(ec == errc::message_too_large);
    CHECK_FALSE(send_text(ends.x, text_of(2000), done, ec));
    CHECK(ec == errc::message_too_large);
    CHECK(done == 0);
    CHECK(next(ends.y) == text_of(100));
    CHECK_FALSE(next(ends.y).has_value());
}

TEST_CASE("a buffer that is too small loses no byte") {
    two_holders peers;
    both_ends ends{peers};
    std::array<std::byte, 20> small{};
    std::error_code ec;
    REQUIRE(ends.x.try_send(bytes(text_of(21))));
    CHECK_FALSE(ends.y.try_receive(small, ec).has_value());
    CHECK(ec == errc::buffer_too_small);
    CHECK(ends.y.next_size(ec) == 21U);
    CHECK(next(ends.y) == text_of(21));

    // Parts that were received before are kept, too.
    const std::string text = text_of(2000);
    std::size_t done = 0;
    CHECK_FALSE(send_text(ends.x, text, done, ec));
    CHECK_FALSE(next(ends.y).has_value());
    bool complete = false;
    while (!complete) {
        complete = send_text(ends.x, text, done, ec);
        CHECK_FALSE(ends.y.try_receive(small, ec).has_value());
        CHECK(ec == errc::buffer_too_small);
        CHECK(ends.y.next_size(ec) == 2000U);
        if (!complete)
            CHECK_FALSE(next(ends.y).has_value());
    }
    CHECK((next(ends.y) == text));
}

TEST_CASE("views, batches and room in the ring") {
    two_holders peers;
    both_ends ends{peers};
    std::error_code ec;
    const std::vector<std::span<const std::byte>> many(100, bytes("eleven bytes"));
    const std::size_t sent = ends.x.try_send_batch(many, ec);
    CHECK_FALSE(ec);
    CHECK(sent == 1016 / 24);
    std::size_t seen = 0;
    const auto count = [&](std::span<const std::byte> view) {
        seen += view.size();
    };
    CHECK(ends.y.receive_batch(10, count, ec) == 10);
    CHECK(ends.y.receive_batch(100, count, ec) == sent - 10);
    CHECK(seen == sent * 12);

    auto room = ends.x.reserve(100, ec);
    REQUIRE(room.size() == 100);
    std::memcpy(room.data(), "short", 5);
    ends.x.commit(5);
    CHECK_FALSE(ends.y.peek(ec).has_value());
    ends.x.flush();
    const auto view = ends.y.peek(ec);
    REQUIRE(view.has_value());
    CHECK(view->size() == 5);
    ends.y.consume();

    std::size_t done = 0;
    CHECK_FALSE(send_text(ends.x, text_of(1500), done, ec));
    CHECK_FALSE(ends.y.peek(ec).has_value());
    CHECK(ec == errc::message_too_large);
}
