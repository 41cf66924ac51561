// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// HTTP and WebSockets with unmodified Beast, over streams.

#include "helpers/two_peers.hpp"

#include <ivshmem/asio/beast.hpp>

#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

using namespace test;
using namespace std::chrono_literals;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using ivshmem::asio::stream;

static_assert(std::is_same_v<beast::lowest_layer_type<websocket::stream<stream>>, stream>);

namespace {

constexpr std::uint64_t body_limit = 16U << 20;

/// Answers each request with its own body until the client ends the connection.
net::awaitable<void> serve_http(stream s) {
    beast::flat_buffer buffer;
    for (bool open = true; open;) {
        http::request_parser<http::string_body> parser;
        parser.body_limit(body_limit);
        const auto [ec, size] = co_await http::async_read(s, buffer, parser, result);
        if (ec == http::error::end_of_stream)
            break;
        REQUIRE_FALSE(ec);
        auto request = parser.release();
        http::response<http::string_body> response{http::status::ok, request.version()};
        response.set("X-Target", request.target());
        response.keep_alive(request.keep_alive());
        response.body() = std::move(request.body());
        response.prepare_payload();
        open = response.keep_alive();
        co_await http::async_write(s, response, net::use_awaitable);
    }
    s.shutdown();
}

net::awaitable<void> ask(stream& s, beast::flat_buffer& buffer, const std::string& body,
                         bool chunked, bool keep) {
    http::request<http::string_body> request{http::verb::post, "/echo", 11};
    request.set(http::field::host, "vm");
    request.keep_alive(keep);
    request.body() = body;
    if (chunked && !body.empty()) // Beast 1.81 would end an empty body with two last chunks
        request.chunked(true);
    else
        request.prepare_payload();
    co_await http::async_write(s, request, net::use_awaitable);
    http::response_parser<http::string_body> parser;
    parser.body_limit(body_limit);
    co_await http::async_read(s, buffer, parser, net::use_awaitable);
    CHECK(parser.get().result() == http::status::ok);
    CHECK(parser.get()["X-Target"] == "/echo");
    CHECK((parser.get().body() == body)); // not shown, because it may be long
}

net::awaitable<void> serve_websocket(stream s) {
    websocket::stream<stream> ws{std::move(s)};
    ws.set_option(websocket::stream_base::timeout::suggested(beast::role_type::server));
    co_await ws.async_accept(net::use_awaitable);
    for (;;) {
        beast::flat_buffer message;
        const auto [ec, size] = co_await ws.async_read(message, result);
        if (ec) {
            CHECK(ec == websocket::error::closed);
            CHECK(ws.reason().code == websocket::close_code::normal);
            co_return;
        }
        ws.text(ws.got_text());
        co_await ws.async_write(message.data(), net::use_awaitable);
    }
}

} // namespace

TEST_CASE("HTTP: requests and responses with bodies of all sizes, one after the other") {
    auto peers = two_peers().with_rings(GENERATE(1024U, 64U * 1024U)).start();
    const bool chunked = GENERATE(false, true);
    peers.run([&]() { return serve_http(peers.right.stream()); },
              [&]() -> net::awaitable<void> {
                  auto s = peers.left.stream();
                  beast::flat_buffer buffer;
                  for (const std::size_t size : {0U, 1U, 1023U, 65536U, 1U << 20})
                      co_await ask(s, buffer, pattern(size), chunked, true);
                  co_await ask(s, buffer, pattern(4U << 20), chunked, false);
                  char after = 0;
                  const auto [ec, n] = co_await s.async_read_some(net::buffer(&after, 1), result);
                  CHECK(ec == net::error::eof);
              });
}

TEST_CASE("HTTP: a response without a length ends with the stream") {
    auto peers = two_peers().start();
    const std::string body = pattern(200'000);
    peers.run(
        [&]() -> net::awaitable<void> {
            auto s = peers.right.stream();
            http::response<http::string_body> response{http::status::ok, 10};
            response.body() = body;
            co_await http::async_write(s, response, net::use_awaitable);
            s.shutdown();
            co_await s.channel().async_drain(net::use_awaitable);
        },
        [&]() -> net::awaitable<void> {
            auto s = peers.left.stream();
            beast::flat_buffer buffer;
            http::response<http::string_body> response;
            co_await http::async_read(s, buffer, response, net::use_awaitable);
            CHECK((response.body() == body));
        });
}

TEST_CASE("HTTP: a stream that ends in the middle of a message is a partial message") {
    auto peers = two_peers().start();
    peers.run(
        [&]() -> net::awaitable<void> {
            auto s = peers.right.stream();
            const std::string half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
            co_await net::async_write(s, net::buffer(half), net::use_awaitable);
            s.shutdown();
            co_await s.channel().async_drain(net::use_awaitable);
        },
        [&]() -> net::awaitable<void> {
            auto s = peers.left.stream();
            beast::flat_buffer buffer;
            http::response<http::string_body> response;
            const auto [ec, size] = co_await http::async_read(s, buffer, response, result);
            CHECK(ec == http::error::partial_message);
        });
}

TEST_CASE("WebSocket: handshake, messages of all sizes, pings, and the close") {
    auto peers = two_peers().with_rings(GENERATE(1024U, 64U * 1024U)).start();
    const bool masked_in_place = GENERATE(false, true);
    peers.run([&]() { return serve_websocket(peers.right.stream()); },
              [&]() -> net::awaitable<void> {
                  websocket::stream<stream> ws{peers.left.stream()};
                  co_await ws.async_handshake("vm", "/", net::use_awaitable);
                  ws.auto_fragment(masked_in_place);
                  ws.binary(true);
                  for (const std::size_t size : {0U, 1U, 125U, 126U, 65535U, 65536U, 1U << 20}) {
                      const std::string sent = pattern(size);
                      co_await ws.async_write(net::buffer(sent), net::use_awaitable);
                      beast::flat_buffer got;
                      co_await ws.async_read(got, net::use_awaitable);
                      CHECK(ws.got_binary());
                      CHECK((beast::buffers_to_string(got.data()) == sent));
                      co_await ws.async_ping({}, net::use_awaitable);
                  }
                  co_await ws.async_close(websocket::close_code::normal, net::use_awaitable);
                  CHECK_FALSE(ws.is_open());
              });
}

TEST_CASE("WebSocket: a handshake without an answer ends by its timeout") {
    auto peers = two_peers().start();
    auto silent = peers.right.stream();
    peers.run([&]() -> net::awaitable<void> {
        websocket::stream<stream> ws{peers.left.stream()};
        ws.set_option(websocket::stream_base::timeout{100ms, 1s, false});
        const auto [ec] = co_await ws.async_handshake("vm", "/", result);
        CHECK(ec == beast::error::timeout);
        CHECK_FALSE(ws.next_layer().is_open());
    });
}

TEST_CASE("WebSocket: a peer that goes away without a closing handshake") {
    auto peers = two_peers().start();
    peers.run(
        [&]() -> net::awaitable<void> {
            websocket::stream<stream> ws{peers.right.stream()};
            co_await ws.async_accept(net::use_awaitable);
            co_await ws.next_layer().channel().async_drain(net::use_awaitable);
            ws.next_layer().close();
        },
        [&]() -> net::awaitable<void> {
            websocket::stream<stream> ws{peers.left.stream()};
            co_await ws.async_handshake("vm", "/", net::use_awaitable);
            beast::flat_buffer got;
            const auto [ec, size] = co_await ws.async_read(got, result);
            CHECK(ec == net::error::eof);
        });
}
