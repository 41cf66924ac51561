// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The requirements of Asio and Beast on a stream.

#include "helpers/two_peers.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_cat.hpp>
#include <boost/beast/core/buffers_suffix.hpp>
#include <boost/beast/core/stream_traits.hpp>

#include <algorithm>
#include <array>
#include <type_traits>

using namespace test;
namespace beast = boost::beast;
using ivshmem::asio::stream;

static_assert(beast::is_async_stream<stream>::value);
static_assert(beast::is_async_read_stream<stream>::value);
static_assert(beast::is_async_write_stream<stream>::value);
static_assert(beast::has_get_executor<stream>::value);
static_assert(!beast::is_sync_read_stream<stream>::value, "it never blocks");
static_assert(!beast::is_sync_write_stream<stream>::value, "it never blocks");

static_assert(std::is_same_v<beast::executor_type<stream>, net::any_io_executor>);
static_assert(std::is_same_v<stream::lowest_layer_type, stream>, "ssl::stream requires it");
static_assert(std::is_nothrow_move_constructible_v<stream>);
static_assert(std::is_move_assignable_v<stream>);
static_assert(!std::is_copy_constructible_v<stream>);

using strand = net::strand<net::io_context::executor_type>;
static_assert(
    std::is_same_v<stream::rebind_executor<strand>::other, ivshmem::asio::basic_stream<strand>>);
static_assert(beast::is_async_stream<ivshmem::asio::basic_stream<strand>>::value);
using awaiting = net::use_awaitable_t<>::as_default_on_t<stream>;
static_assert(beast::is_async_stream<awaiting>::value);

TEST_CASE("empty buffers complete at once with no bytes, before and after the peer connects") {
    auto peers = two_peers().start();
    auto left = peers.left.stream();
    peers.run([&]() -> net::awaitable<void> {
        char none = 0;
        const auto [unread, nothing] = co_await left.async_read_some(net::buffer(&none, 0), result);
        CHECK_FALSE(unread);
        CHECK(nothing == 0);
        const auto [unsent, unwritten] =
            co_await left.async_write_some(net::buffer(&none, 0), result);
        CHECK_FALSE(unsent);
        CHECK(unwritten == 0);
        const std::vector<net::const_buffer> no_buffers;
        const auto [empty, written] = co_await left.async_write_some(no_buffers, result);
        CHECK_FALSE(empty);
        CHECK(written == 0);
    });
    auto right = peers.right.stream();
    peers.run([&]() -> net::awaitable<void> {
        co_await right.async_connect(net::use_awaitable);
        co_await right.async_write_some(net::buffer("x", 0), net::use_awaitable);
        co_await right.async_write_some(net::buffer("x", 1), net::use_awaitable);
        std::array<char, 4> got{};
        const auto none = co_await left.async_read_some(net::mutable_buffer{}, net::use_awaitable);
        CHECK(none == 0);
        const auto size = co_await left.async_read_some(net::buffer(got), net::use_awaitable);
        CHECK(size == 1);
        CHECK(got[0] == 'x');
    });
}

TEST_CASE("sequences of many buffers, empty ones among them, on both sides") {
    auto peers = two_peers().with_rings(GENERATE(1024U, 64U * 1024U)).start();
    const std::string sent = pattern(50'000);
    std::vector<net::const_buffer> parts;
    for (std::size_t at = 0, size = 0; at < sent.size(); at += size, size = (size + 7) % 97)
        parts.emplace_back(sent.data() + at, std::min(size, sent.size() - at));
    CHECK(parts.size() > 1000);
    std::string got(sent.size(), '\0');
    std::vector<net::mutable_buffer> places;
    for (std::size_t at = 0, size = 0; at < got.size(); at += size, size = (size + 11) % 89)
        places.emplace_back(got.data() + at, std::min(size, got.size() - at));
    auto left = peers.left.stream();
    auto right = peers.right.stream();
    peers.run(
        [&]() -> net::awaitable<void> {
            const auto size = co_await net::async_write(left, parts, net::use_awaitable);
            CHECK(size == sent.size());
        },
        [&]() -> net::awaitable<void> {
            const auto size = co_await net::async_read(right, places, net::use_awaitable);
            CHECK(size == got.size());
        });
    CHECK(got == sent);
}

TEST_CASE("the buffer sequences of Beast") {
    auto peers = two_peers().with_rings(1024).start();
    const std::string head = pattern(700);
    const std::string body = pattern(9000);
    auto left = peers.left.stream();
    auto right = peers.right.stream();
    std::string got(head.size() + body.size(), '\0');
    peers.run(
        [&]() -> net::awaitable<void> {
            const auto both =
                beast::buffers_cat(net::buffer(head), net::const_buffer{}, net::buffer(body));
            beast::buffers_suffix rest{both};
            while (net::buffer_size(rest) != 0)
                rest.consume(co_await left.async_write_some(rest, net::use_awaitable));
        },
        [&]() -> net::awaitable<void> {
            co_await net::async_read(right, net::buffer(got), net::use_awaitable);
        });
    CHECK(got == head + body);
}

TEST_CASE("many small writes arrive in order, however they are read") {
    auto peers = two_peers().with_rings(GENERATE(1024U, 64U * 1024U)).start();
    const std::size_t at_once = GENERATE(1U, 3U, 4096U);
    const std::string sent = pattern(20'000);
    auto left = peers.left.stream();
    auto right = peers.right.stream();
    std::string got;
    peers.run(
        [&]() -> net::awaitable<void> {
            for (std::size_t at = 0; at < sent.size(); ++at)
                co_await left.async_write_some(net::buffer(&sent[at], 1), net::use_awaitable);
            left.shutdown();
        },
        [&]() -> net::awaitable<void> {
            std::string part(at_once, '\0');
            for (;;) {
                const auto [ec, size] = co_await right.async_read_some(net::buffer(part), result);
                if (ec == net::error::eof)
                    break;
                CHECK(size >= 1);
                got.append(part, 0, size);
            }
        });
    CHECK(got == sent);
}

TEST_CASE("one large write is read in parts, and a line by read_until") {
    auto peers = two_peers().start();
    const std::string line(10'000, 'a');
    auto left = peers.left.stream();
    auto right = peers.right.stream();
    peers.run(
        [&]() -> net::awaitable<void> {
            const std::string text = line + "\nrest";
            co_await net::async_write(left, net::buffer(text), net::use_awaitable);
        },
        [&]() -> net::awaitable<void> {
            std::string first(7, '\0');
            const auto size =
                co_await right.async_read_some(net::buffer(first), net::use_awaitable);
            CHECK(size == 7);
            std::string text;
            const auto to = co_await net::async_read_until(right, net::dynamic_buffer(text), '\n',
                                                           net::use_awaitable);
            CHECK(to == line.size() - 7 + 1);
            std::string rest(4, '\0');
            const auto more = text.substr(to);
            co_await net::async_read(right, net::buffer(rest.data(), 4 - more.size()),
                                     net::use_awaitable);
            CHECK(more + rest.substr(0, 4 - more.size()) == "rest");
        });
}

TEST_CASE("several reads and writes under way complete in order") {
    auto peers = two_peers().start();
    auto left = peers.left.stream();
    auto right = peers.right.stream();
    const std::string sent = pattern(1600);
    std::string got(sent.size(), '\0');
    std::vector<std::size_t> order;
    std::size_t unsent = 8;
    for (std::size_t i = 0; i < 8; ++i)
        right.async_read_some(net::buffer(got.data() + i * 200, 200),
                              [&order, i](error_code ec, std::size_t size) {
                                  CHECK_FALSE(ec);
                                  CHECK(size != 0);
                                  order.push_back(i);
                              });
    for (std::size_t i = 0; i < 8; ++i)
        left.async_write_some(net::buffer(sent.data() + i * 200, 200),
                              [&unsent](error_code ec, std::size_t size) {
                                  CHECK_FALSE(ec);
                                  CHECK(size == 200);
                                  --unsent;
                              });
    while (unsent != 0 || order.size() != 8)
        peers.io.run_one_for(host::deadline);
    CHECK(std::is_sorted(order.begin(), order.end()));
}
