// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Streams whose channel goes on without them, and streams to peers that take little at a time.

#include "helpers/two_peers.hpp"

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <array>

using namespace test;
using ivshmem::errc;

namespace {

/// Two streams that have met. What spins without end aborts the program soon.
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
    /// Writes 200 bytes to a, of which it reads 150.
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

TEST_CASE("a stream that is opened anew in the middle of a read begins anew") {
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

TEST_CASE("a stream whose channel is opened anew under it begins anew") {
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

TEST_CASE("a stream under which somebody reads does not read what is not there") {
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
        // What is shorter than what was read before may get lost: the bytes are not the stream's.
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

TEST_CASE("a peer that takes short messages gets a stream in short ones") {
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

TEST_CASE("what is written before a peer with short messages is there waits for it") {
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

TEST_CASE("to a peer that takes no byte at all nothing is written") {
    ivshmem::channel_options options;
    options.max_message = 0;
    two_streams c{options};
    c.run([&]() -> net::awaitable<void> {
        const auto [ec, size] = co_await c.a.async_write_some(net::buffer("x", 1), result);
        CHECK(ec == errc::message_too_large);
        CHECK(size == 0);
    });
}
