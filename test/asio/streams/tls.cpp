// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// TLS with unmodified Asio and OpenSSL, over streams. HTTP over TLS is tested between two guests.

#include "helpers/certificate.hpp"
#include "helpers/two_peers.hpp"

#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

using namespace test;
namespace ssl = net::ssl;
using ivshmem::asio::stream;
using tls_stream = ssl::stream<stream>;

namespace {

/// The objects of both sides; the client trusts the server's own certificate.
struct tls_peers : started_peers {
    explicit tls_peers(std::uint32_t ring_size = 64 * 1024)
        : started_peers{two_peers().with_rings(ring_size)} {
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

TEST_CASE("TLS: bytes there and back, and a proper end") {
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

TEST_CASE("TLS: a stream that ends without a TLS shutdown is a truncation") {
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

TEST_CASE("TLS: a peer that starts again in the middle of the handshake") {
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
