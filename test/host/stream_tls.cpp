// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// TLS by Asio and OpenSSL, as they are, over streams.

#include "stream_certificate.hpp"
#include "stream_fixture.hpp"

#include <ivshmem/asio/beast.hpp>

#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>

using namespace test;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = net::ssl;
namespace websocket = beast::websocket;
using ivshmem::asio::stream;
using tls_stream = ssl::stream<stream>;

namespace {

/// What both sides need; the client believes in the server's own certificate.
struct tls_peers : two_peers {
    explicit tls_peers(std::uint32_t ring_size = 64 * 1024) : two_peers{ring_size} {
        server.use_certificate_chain(net::buffer(shown.text()));
        server.use_private_key(net::buffer(shown.key()), ssl::context::pem);
        client.add_certificate_authority(net::buffer(shown.text()));
        client.set_verify_mode(ssl::verify_peer);
        client.set_verify_callback(ssl::host_name_verification{"vm-a"});
    }

    const certificate shown{"vm-a"};
    ssl::context server{ssl::context::tls_server};
    ssl::context client{ssl::context::tls_client};
};

} // namespace

TEST_CASE("TLS: bytes there and back, and an end that is the end") {
    tls_peers peers{GENERATE(1024U, 64U * 1024U)};
    const std::string sent = pattern(300'000);
    peers.run(
        [&]() -> net::awaitable<void> {
            tls_stream s{peers.right.stream(), peers.server};
            co_await s.async_handshake(ssl::stream_base::server, net::use_awaitable);
            std::string got(sent.size(), '\0');
            co_await net::async_read(s, net::buffer(got), net::use_awaitable);
            co_await net::async_write(s, net::buffer(got), net::use_awaitable);
            const auto [ec, none] = co_await s.async_read_some(net::buffer(got), result);
            CHECK(ec == net::error::eof);
            co_await s.async_shutdown(result);
            s.next_layer().shutdown();
            co_await s.next_layer().channel().async_drain(result);
        },
        [&]() -> net::awaitable<void> {
            tls_stream s{peers.left.stream(), peers.client};
            co_await s.async_handshake(ssl::stream_base::client, net::use_awaitable);
            co_await net::async_write(s, net::buffer(sent), net::use_awaitable);
            std::string got(sent.size(), '\0');
            co_await net::async_read(s, net::buffer(got), net::use_awaitable);
            CHECK((got == sent));
            const auto [ec] = co_await s.async_shutdown(result);
            CHECK((!ec || ec == net::error::eof));
        });
}

TEST_CASE("TLS: a stream that ends without goodbye is a truncation") {
    tls_peers peers;
    peers.run(
        [&]() -> net::awaitable<void> {
            tls_stream s{peers.right.stream(), peers.server};
            co_await s.async_handshake(ssl::stream_base::server, net::use_awaitable);
            co_await net::async_write(s, net::buffer("half", 4), net::use_awaitable);
            s.next_layer().shutdown();
            co_await s.next_layer().channel().async_drain(net::use_awaitable);
        },
        [&]() -> net::awaitable<void> {
            tls_stream s{peers.left.stream(), peers.client};
            co_await s.async_handshake(ssl::stream_base::client, net::use_awaitable);
            std::string got(100, '\0');
            const auto [ec, size] = co_await net::async_read(s, net::buffer(got), result);
            CHECK(ec == ssl::error::stream_truncated);
            CHECK(got.substr(0, size) == "half");
        });
}

TEST_CASE("TLS: a peer that starts anew in the middle of the handshake") {
    tls_peers peers;
    peers.run(
        [&]() -> net::awaitable<void> {
            auto s = peers.right.stream();
            std::string hello(5, '\0');
            co_await net::async_read(s, net::buffer(hello), net::use_awaitable);
            s.channel().reopen();
            net::steady_timer later{peers.io, std::chrono::milliseconds{50}};
            co_await later.async_wait(net::use_awaitable);
        },
        [&]() -> net::awaitable<void> {
            tls_stream s{peers.left.stream(), peers.client};
            const auto [ec] = co_await s.async_handshake(ssl::stream_base::client, result);
            CHECK(ec == ivshmem::errc::channel_reset);
        });
}

TEST_CASE("TLS: a certificate for another name is refused") {
    tls_peers peers;
    peers.client.set_verify_callback(ssl::host_name_verification{"vm-b"});
    peers.run(
        [&]() -> net::awaitable<void> {
            tls_stream s{peers.right.stream(), peers.server};
            const auto [ec] = co_await s.async_handshake(ssl::stream_base::server, result);
            CHECK(ec);
        },
        [&]() -> net::awaitable<void> {
            tls_stream s{peers.left.stream(), peers.client};
            const auto [ec] = co_await s.async_handshake(ssl::stream_base::client, result);
            CHECK(ec.category() == net::error::get_ssl_category());
            co_await s.next_layer().channel().async_drain(result);
        });
}

TEST_CASE("HTTP over TLS") {
    tls_peers peers;
    const std::string body = pattern(1U << 20);
    peers.run(
        [&]() -> net::awaitable<void> {
            tls_stream s{peers.right.stream(), peers.server};
            co_await s.async_handshake(ssl::stream_base::server, net::use_awaitable);
            beast::flat_buffer buffer;
            http::request<http::string_body> request;
            co_await http::async_read(s, buffer, request, net::use_awaitable);
            http::response<http::string_body> response{http::status::ok, 11};
            response.body() = request.body();
            response.prepare_payload();
            co_await http::async_write(s, response, net::use_awaitable);
            co_await s.async_shutdown(result);
        },
        [&]() -> net::awaitable<void> {
            tls_stream s{peers.left.stream(), peers.client};
            co_await s.async_handshake(ssl::stream_base::client, net::use_awaitable);
            http::request<http::string_body> request{http::verb::put, "/", 11, body};
            request.prepare_payload();
            co_await http::async_write(s, request, net::use_awaitable);
            beast::flat_buffer buffer;
            http::response_parser<http::string_body> parser;
            parser.body_limit(8U << 20);
            co_await http::async_read(s, buffer, parser, net::use_awaitable);
            CHECK((parser.get().body() == body));
            co_await s.async_shutdown(result);
        });
}

TEST_CASE("WebSocket over TLS") {
    tls_peers peers;
    const std::string sent = pattern(100'000);
    peers.run(
        [&]() -> net::awaitable<void> {
            websocket::stream<tls_stream> ws{peers.right.stream(), peers.server};
            co_await ws.next_layer().async_handshake(ssl::stream_base::server, net::use_awaitable);
            ws.binary(true);
            co_await ws.async_accept(net::use_awaitable);
            beast::flat_buffer message;
            co_await ws.async_read(message, net::use_awaitable);
            co_await ws.async_write(message.data(), net::use_awaitable);
            const auto [ec, none] = co_await ws.async_read(message, result);
            CHECK(ec == websocket::error::closed);
        },
        [&]() -> net::awaitable<void> {
            websocket::stream<tls_stream> ws{peers.left.stream(), peers.client};
            co_await ws.next_layer().async_handshake(ssl::stream_base::client, net::use_awaitable);
            ws.binary(true);
            co_await ws.async_handshake("vm-a", "/", net::use_awaitable);
            co_await ws.async_write(net::buffer(sent), net::use_awaitable);
            beast::flat_buffer message;
            co_await ws.async_read(message, net::use_awaitable);
            CHECK((beast::buffers_to_string(message.data()) == sent));
            const auto [ec] = co_await ws.async_close(websocket::close_code::normal, result);
            CHECK((!ec || ec == net::error::eof));
        });
}
