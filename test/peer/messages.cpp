// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Messages and bytes between the library and a peer in C.

#include "fixture.hpp"

using namespace test;

namespace {

constexpr std::uint32_t longest = 1024 / 2 - 8; // of a record

} // namespace

TEST_CASE("messages of all sizes in one piece go both ways, many times around the ring") {
    two_kinds peers;
    two_ends ends{peers};
    for (int round = 0; round < 20; ++round) {
        for (const std::uint32_t size : {0U, 1U, 2U, 7U, 8U, 9U, 63U, 64U, 255U, longest}) {
            const std::string text = pattern(size);
            REQUIRE(ends.x.try_send(bytes(text)));
            REQUIRE(receive(ends.y).text == text);
            REQUIRE(send(ends.y, text) == IVSHMEM_PEER_OK);
            REQUIRE(next(ends.x) == text);
        }
        ivshmem_peer_arm(&peers.c.peer); // publishes the cursor
        peers.c.poll();
    }
    CHECK(receive(ends.y).result == IVSHMEM_PEER_AGAIN);
    CHECK(send(ends.y, pattern(longest + 1)) == IVSHMEM_PEER_TOO_LARGE);
}

TEST_CASE("buffers of any alignment are copied whole, and nothing beside them is touched") {
    two_kinds peers;
    two_ends ends{peers};
    for (std::uint32_t offset = 0; offset < 9; ++offset)
        for (std::uint32_t size = 0; size < 20; ++size) {
            std::string from = pattern(40);
            REQUIRE(ivshmem_peer_send(&ends.y, from.data() + offset, size) == IVSHMEM_PEER_OK);
            REQUIRE(next(ends.x) == from.substr(offset, size));
            REQUIRE(ends.x.try_send(bytes(from.substr(offset, size))));
            std::string into(40, '#');
            std::uint32_t got = 99;
            REQUIRE(ivshmem_peer_receive(&ends.y, into.data() + offset, size, &got) ==
                    IVSHMEM_PEER_OK);
            REQUIRE(got == size);
            const std::string expected = std::string(offset, '#') + from.substr(offset, size) +
                                         std::string(40 - offset - size, '#');
            REQUIRE(into == expected);
        }
}

TEST_CASE("larger messages go in parts, both ways, with back-pressure") {
    two_kinds peers;
    two_ends ends{peers};
    for (const std::uint32_t size : {longest + 1, 1024U, 3000U, 30000U}) {
        const std::string text = pattern(size);
        std::uint32_t sent = 0;
        std::optional<std::string> got;
        std::string into(65536, '\0');
        std::error_code ec;
        unsigned waits = 0;
        while (!got) {
            if (sent < size) {
                const auto result = ivshmem_peer_send_some(&ends.y, text.data(), size, &sent);
                REQUIRE((result == IVSHMEM_PEER_OK || result == IVSHMEM_PEER_AGAIN));
                waits += result == IVSHMEM_PEER_AGAIN;
            }
            if (const auto n = ends.x.try_receive(std::as_writable_bytes(std::span{into}), ec))
                got = into.substr(0, *n);
            REQUIRE_FALSE(ec);
        }
        CHECK(*got == text);
        CHECK((size <= 1024 || waits != 0));

        std::size_t done = 0;
        received answer{IVSHMEM_PEER_AGAIN, ""};
        while (answer.result == IVSHMEM_PEER_AGAIN) {
            if (done < size)
                send_text(ends.x, text, done, ec);
            REQUIRE_FALSE(ec);
            answer = receive(ends.y);
        }
        CHECK(answer.result == IVSHMEM_PEER_OK);
        CHECK(answer.text == text);
    }
}

TEST_CASE("a message that is larger than the buffer stays, or is skipped, also its later parts") {
    two_kinds peers;
    two_ends ends{peers};
    std::string small(10, '#');
    std::uint32_t size = 0;
    std::error_code ec;
    SECTION("one piece") {
        REQUIRE(ends.x.try_send(bytes("twelve bytes")));
        REQUIRE(ivshmem_peer_receive(&ends.y, small.data(), 10, &size) == IVSHMEM_PEER_TOO_LARGE);
        CHECK(size == 12);
        CHECK(receive(ends.y).text == "twelve bytes");
    }
    SECTION("skipped") {
        const std::string text = pattern(3000);
        std::size_t done = 0;
        REQUIRE_FALSE(send_text(ends.x, text, done, ec));
        REQUIRE(ivshmem_peer_receive(&ends.y, small.data(), 10, &size) == IVSHMEM_PEER_TOO_LARGE);
        CHECK(size == 3000);
        ivshmem_peer_skip(&ends.y);
        for (int i = 0; i < 20 && done < 3000; ++i) {
            CHECK(receive(ends.y).result == IVSHMEM_PEER_AGAIN);
            send_text(ends.x, text, done, ec);
        }
        REQUIRE(done == 3000);
        CHECK(receive(ends.y).result == IVSHMEM_PEER_AGAIN);
    }
    CHECK(small == std::string(10, '#'));
    REQUIRE(ends.x.try_send(bytes("after")));
    CHECK(receive(ends.y).text == "after");
}

TEST_CASE("a limit holds in both directions") {
    two_kinds peers;
    two_ends ends{peers, 100};
    const std::string text = pattern(101);
    std::uint32_t done = 0;
    CHECK(ends.y.peer_limit == 100);
    CHECK(send(ends.y, text) == IVSHMEM_PEER_TOO_LARGE);
    CHECK(ivshmem_peer_send_some(&ends.y, text.data(), 101, &done) == IVSHMEM_PEER_TOO_LARGE);
    CHECK(send(ends.y, text.substr(1)) == IVSHMEM_PEER_OK);
    std::error_code ec;
    CHECK_FALSE(ends.x.try_send(bytes(text), ec));
    CHECK(ec == errc::message_too_large);
}

TEST_CASE("an abandoned message is dropped, by either side") {
    two_kinds peers;
    two_ends ends{peers};
    const std::string text = pattern(3000);
    std::error_code ec;
    for (int i = 0; i < 5; ++i) {
        std::uint32_t sent = 0;
        REQUIRE(ivshmem_peer_send_some(&ends.y, text.data(), 3000, &sent) == IVSHMEM_PEER_AGAIN);
        CHECK(send(ends.y, "between") == IVSHMEM_PEER_INVALID);
        CHECK_FALSE(next(ends.x).has_value());
        ivshmem_peer_abandon(&ends.y);
        REQUIRE(send(ends.y, "whole") == IVSHMEM_PEER_OK);
        CHECK(next(ends.x) == "whole");

        std::size_t done = 0;
        REQUIRE_FALSE(send_text(ends.x, text, done, ec));
        CHECK(receive(ends.y).result == IVSHMEM_PEER_AGAIN);
        ivshmem::channel_driver{ends.x}.abandon();
        REQUIRE(ends.x.try_send(bytes("whole too")));
        CHECK(receive(ends.y).text == "whole too");
    }
}

TEST_CASE("a full ring returns AGAIN, and has room when the other side has read") {
    two_kinds peers;
    two_ends ends{peers};
    int sent = 0;
    while (send(ends.y, pattern(100)) == IVSHMEM_PEER_OK)
        ++sent;
    CHECK(sent == 9); // of 112 bytes, and 8 for the head after them, in 1024
    CHECK(send(ends.y, "") == IVSHMEM_PEER_OK);
    CHECK(send(ends.y, "") == IVSHMEM_PEER_AGAIN);
    CHECK_FALSE(ivshmem_peer_drained(&ends.y));
    for (int i = 0; i < sent; ++i)
        CHECK(next(ends.x) == pattern(100));
    CHECK(next(ends.x) == "");
    CHECK_FALSE(next(ends.x).has_value());
    CHECK(ivshmem_peer_drained(&ends.y));
    CHECK(send(ends.y, pattern(longest)) == IVSHMEM_PEER_OK);
}

TEST_CASE("bytes of a stream keep their order, whatever their pieces") {
    two_kinds peers;
    two_ends ends{peers};
    const std::string text = pattern(20000);
    std::string got;
    std::uint32_t at = 0;
    std::size_t sent = 0;
    std::uint32_t piece = 1;
    std::error_code ec;
    while (got.size() < text.size()) { // from the library
        piece = piece % 301 + 1;
        const auto part = text.substr(sent, std::min<std::size_t>(piece, text.size() - sent));
        if (!part.empty() && ends.x.try_send(bytes(part), ec))
            sent += part.size();
        char into[64];
        std::uint32_t count = 0;
        const auto result = ivshmem_peer_read(&ends.y, into, piece % 64 + 1, &count);
        REQUIRE((result == IVSHMEM_PEER_OK) == (count != 0));
        got.append(into, count);
    }
    CHECK(got == text);
    got.clear();
    while (got.size() < text.size()) { // to the library
        std::uint32_t written = 0;
        const auto result = ivshmem_peer_write(&ends.y, text.data() + at, 20000 - at, &written);
        REQUIRE((result == IVSHMEM_PEER_OK || result == IVSHMEM_PEER_AGAIN));
        at += written;
        while (const auto part = next(ends.x, ec))
            got += *part;
    }
    CHECK(got == text);
    REQUIRE(ends.x.try_send(bytes("")));
    std::uint32_t count = 0;
    char into[8];
    CHECK(ivshmem_peer_read(&ends.y, into, 8, &count) == IVSHMEM_PEER_FAULT);
    CHECK(ends.y.fault == 4);
    CHECK(end_of(ends.x) == errc::channel_rejected);
}
