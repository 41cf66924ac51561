// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Streams whose channel is used without them, and streams to peers with a small limit.

#include "helpers/two_peers.hpp"

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <array>

using namespace test;
using ivshmem::errc;

namespace {

/// Two connected streams. An endless spin aborts the program soon.
struct two_streams : started_peers {
    explicit two_streams(const ivshmem::channel_options& options = {})
        : started_peers{two_peers().with_rings(4096).within(8)}, a{left.stream(0, options)},
          b{right.stream(0, options)} {
        meet();
    }
    void meet() {
        run([this]() -> net::awaitable<void> { co_await a.async_connect(net::use_awaitable); },
            [this]() -> net::awaitable<void> { co_await b.async_connect(net::use_awaitable); });
    }
    /// Writes 200 bytes to a, which reads 150 of them.
    void read_in_part() {
        const std::string sent = pattern(200);
        std::string got(150, '\0');
        run([&]() -> net::awaitable<void> {
            co_await net::async_write(b, net::buffer(sent), net::use_awaitable);
            co_await net::async_read(a, net::buffer(got), net::use_awaitable);
        });
        REQUIRE(got == sent.substr(0, 150));
    }

    ivshmem::asio::stream a;
    ivshmem::asio::stream b;
};

} // namespace

TEST_CASE("a stream that is opened again in the middle of a read starts over") {
    two_streams c;
    c.read_in_part();
    c.b.channel().reopen();
    REQUIRE(c.a.channel().next_layer().update() == ivshmem::channel_state::reset);
    c.a.channel().reopen();
    c.meet();
    const std::string text = GENERATE(as<std::string>{}, "t", "tiny", std::string(150, 'e'),
                                      std::string(151, 'l'), std::string(700, 'l'));
    std::string got(50'000, '\0');
    c.run([&]() -> net::awaitable<void> {
        co_await net::async_write(c.b, net::buffer(text), net::use_awaitable);
        const auto size = co_await c.a.async_read_some(net::buffer(got), net::use_awaitable);
        CHECK(got.substr(0, size) == text);
    });
}

TEST_CASE("a stream whose channel is opened again directly starts over") {
    two_streams c;
    c.read_in_part();
    c.b.channel().reopen();
    REQUIRE(c.a.channel().next_layer().update() == ivshmem::channel_state::reset);
    c.a.channel().next_layer().reopen();
    c.meet();
    const std::string text = GENERATE(as<std::string>{}, "t", "tiny", std::string(150, 'e'),
                                      std::string(151, 'l'), pattern(700));
    std::string got(50'000, '\0');
    c.run([&]() -> net::awaitable<void> {
        co_await net::async_write(c.b, net::buffer(text), net::use_awaitable);
        c.b.shutdown();
        const auto [why, size] = co_await net::async_read(c.a, net::buffer(got), result);
        CHECK(why == net::error::eof);
        CHECK((got.substr(0, size) == text));
    });
}

TEST_CASE("a stream whose channel is read directly reads no bytes twice or beyond the end") {
    two_streams c;
    c.read_in_part();
    auto& under = c.a.channel().next_layer();
    std::error_code ec;
    if (GENERATE(true, false)) {
        std::array<std::byte, 200> rest{};
        CHECK(under.try_receive(rest, ec).has_value());
    } else {
        REQUIRE(under.peek(ec).has_value());
        under.consume();
    }
    std::string got(50'000, '\0');
    c.run([&]() -> net::awaitable<void> {
        // Bytes may get lost here: they no longer belong to the stream.
        co_await net::async_write(c.b, net::buffer("tiny", 4), net::use_awaitable);
        co_await net::async_write(c.b, net::buffer("another", 7), net::use_awaitable);
        c.b.shutdown();
        const auto [why, size] = co_await net::async_read(c.a, net::buffer(got), result);
        CHECK(why == net::error::eof);
        CHECK(size <= 11);
        CHECK(got.substr(0, size) ==
              std::string{"tinyanother"}.substr(11 - std::min<std::size_t>(size, 11)));
    });
}

TEST_CASE("a peer with a small limit gets a stream in short messages") {
    ivshmem::channel_options options;
    options.max_message = GENERATE(1U, 7U, 100U, 503U, 1000U, 1016U);
    two_streams c{options};
    const std::string sent = pattern(5000);
    std::string to_b(sent.size(), '\0');
    std::string to_a(sent.size(), '\0');
    c.run(
        [&]() -> net::awaitable<void> {
            const auto [ec, first] = co_await c.a.async_write_some(net::buffer(sent), result);
            CHECK_FALSE(ec);
            CHECK(first > 0);
            co_await net::async_write(c.a, net::buffer(sent) + first, net::use_awaitable);
        },
        [&]() -> net::awaitable<void> {
            co_await net::async_write(c.b, net::buffer(sent), net::use_awaitable);
        },
        [&]() -> net::awaitable<void> {
            co_await net::async_read(c.b, net::buffer(to_b), net::use_awaitable);
        },
        [&]() -> net::awaitable<void> {
            co_await net::async_read(c.a, net::buffer(to_a), net::use_awaitable);
        });
    CHECK((to_b == sent));
    CHECK((to_a == sent));
}

TEST_CASE("bytes written before a peer with a small limit connects wait for it") {
    auto c = two_peers().start();
    const deadline soon{8};
    ivshmem::channel_options options;
    options.max_message = 100;
    auto a = c.left.stream();
    const std::string sent = pattern(5000);
    std::string got(sent.size(), '\0');
    std::optional<ivshmem::asio::stream> b;
    c.run(
        [&]() -> net::awaitable<void> {
            co_await net::async_write(a, net::buffer(sent), net::use_awaitable);
        },
        [&]() -> net::awaitable<void> {
            b.emplace(*c.right.slot, 0U, 0U, options);
            co_await net::async_read(*b, net::buffer(got), net::use_awaitable);
        });
    CHECK((got == sent));
}

TEST_CASE("a stream to a peer that accepts no byte sends nothing") {
    ivshmem::channel_options options;
    options.max_message = 0;
    two_streams c{options};
    c.run([&]() -> net::awaitable<void> {
        const auto [ec, size] = co_await c.a.async_write_some(net::buffer("x", 1), result);
        CHECK(ec == errc::message_too_large);
        CHECK(size == 0);
    });
}
