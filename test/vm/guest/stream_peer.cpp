// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// HTTP, WebSocket and HTTP over TLS between two guests: an echo server of all three, and a client
// that checks the echo.
//
//     stream_peer certificate CERTIFICATE KEY
//     stream_peer server DEVICE SLOT CERTIFICATE KEY
//     stream_peer client DEVICE SLOT CERTIFICATE http|websocket|tls SIZE...

#include "../../../examples/on_slot.hpp"
#include "helpers/certificate.hpp"

#include <ivshmem/asio/beast.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = net::ssl;
namespace websocket = beast::websocket;
using ivshmem::asio::stream;
using tls_stream = ssl::stream<stream>;
constexpr auto with_error = net::as_tuple(net::use_awaitable);

namespace {

constexpr auto host_name = "vm-a";
constexpr std::uint64_t longest_body = 64U << 20;

template <typename Stream>
net::awaitable<void> answer_http(Stream& s) {
    beast::flat_buffer buffer;
    for (;;) {
        http::request_parser<http::string_body> parser;
        parser.body_limit(longest_body);
        const auto [ec, size] = co_await http::async_read(s, buffer, parser, with_error);
        if (ec)
            break; // the client is done
        http::response<http::string_body> response{http::status::ok, 11};
        response.body() = parser.release().body();
        response.prepare_payload();
        co_await http::async_write(s, response, net::use_awaitable);
    }
}

net::awaitable<void> talk_http(stream s, ssl::context&) {
    co_await answer_http(s);
}

net::awaitable<void> talk_tls(stream s, ssl::context& context) {
    tls_stream tls{std::move(s), context};
    co_await tls.async_handshake(ssl::stream_base::server, net::use_awaitable);
    co_await answer_http(tls);
    co_await tls.async_shutdown(with_error);
    co_await tls.next_layer().channel().async_drain(with_error);
}

net::awaitable<void> talk_websocket(stream s, ssl::context&) {
    websocket::stream<stream> ws{std::move(s)};
    co_await ws.async_accept(net::use_awaitable);
    ws.binary(true);
    for (;;) {
        beast::flat_buffer message;
        const auto [ec, size] = co_await ws.async_read(message, with_error);
        if (ec)
            break;
        co_await ws.async_write(message.data(), net::use_awaitable);
    }
    co_await ws.next_layer().channel().async_drain(with_error);
}

template <typename Talk>
net::awaitable<void> offer(ivshmem::asio::slot& slot, const char* name, ssl::context& context,
                           Talk talk) {
    ivshmem::asio::acceptor acceptor{slot, name};
    for (;;) {
        stream s{co_await acceptor.async_accept(net::use_awaitable)};
        net::co_spawn(slot.get_executor(), talk(std::move(s), context),
                      [](const std::exception_ptr& failed) {
                          if (failed)
                              std::rethrow_exception(failed);
                      });
    }
}

void check(std::string_view what, const std::string& sent, const std::string& got) {
    if (got != sent)
        throw std::runtime_error{"what came back is not what was sent"};
    std::cout << what << ' ' << sent.size() << " ok" << std::endl;
}

std::string bytes(const std::string& size) {
    std::string made(std::stoul(size), '\0');
    for (std::size_t i = 0; i < made.size(); ++i)
        made[i] = static_cast<char>(i * 2654435761U >> 13U);
    return made;
}

using sizes = std::vector<std::string>;

template <typename Stream>
net::awaitable<void> ask_http(Stream& s, std::string_view what, const sizes& all) {
    beast::flat_buffer buffer;
    for (const std::string& size : all) {
        http::request<http::string_body> request{http::verb::post, "/", 11, bytes(size)};
        request.set(http::field::host, host_name);
        request.prepare_payload();
        co_await http::async_write(s, request, net::use_awaitable);
        http::response_parser<http::string_body> parser;
        parser.body_limit(longest_body);
        co_await http::async_read(s, buffer, parser, net::use_awaitable);
        check(what, request.body(), parser.get().body());
    }
}

net::awaitable<void> ask_websocket(stream s, const sizes& all) {
    websocket::stream<stream> ws{std::move(s)};
    co_await ws.async_handshake(host_name, "/", net::use_awaitable);
    ws.binary(true);
    for (const std::string& size : all) {
        const std::string sent = bytes(size);
        co_await ws.async_write(net::buffer(sent), net::use_awaitable);
        beast::flat_buffer got;
        co_await ws.async_read(got, net::use_awaitable);
        check("websocket", sent, beast::buffers_to_string(got.data()));
    }
    co_await ws.async_close(websocket::close_code::normal, net::use_awaitable);
}

net::awaitable<void> ask(ivshmem::asio::slot& slot, const std::string& certificate,
                         std::string what, const sizes& all) {
    stream s{co_await ivshmem::asio::async_connect(slot, what, net::use_awaitable)};
    if (what == "http")
        co_return co_await ask_http(s, what, all);
    if (what == "websocket")
        co_return co_await ask_websocket(std::move(s), all);
    ssl::context context{ssl::context::tls_client};
    context.load_verify_file(certificate);
    context.set_verify_mode(ssl::verify_peer);
    context.set_verify_callback(ssl::host_name_verification{host_name});
    tls_stream tls{std::move(s), context};
    co_await tls.async_handshake(ssl::stream_base::client, net::use_awaitable);
    co_await ask_http(tls, what, all);
    co_await tls.async_shutdown(with_error);
}

void serve(const std::vector<std::string>& words) {
    ssl::context context{ssl::context::tls_server};
    context.use_certificate_chain_file(words[3]);
    context.use_private_key_file(words[4], ssl::context::pem);
    run_on_slot(words[1], words[2], [&](auto& slot) -> net::awaitable<void> {
        using namespace net::experimental::awaitable_operators;
        std::cout << "ready" << std::endl;
        co_await (offer(slot, "http", context, talk_http) &&
                  offer(slot, "websocket", context, talk_websocket) &&
                  offer(slot, "tls", context, talk_tls));
    });
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const std::string what = words.empty() ? "" : words[0];
    try {
        if (what == "certificate" && words.size() == 3) {
            const test::certificate made{host_name};
            std::ofstream{words[1]} << made.text();
            std::ofstream{words[2]} << made.key();
        } else if (what == "server" && words.size() == 5) {
            serve(words);
        } else if (what == "client" && words.size() > 5) {
            const sizes all(words.begin() + 5, words.end());
            run_on_slot(words[1], words[2],
                        [&](auto& slot) { return ask(slot, words[3], words[4], all); });
        } else {
            std::cerr << "usage: stream_peer certificate CERTIFICATE KEY\n"
                         "       stream_peer server DEVICE SLOT CERTIFICATE KEY\n"
                         "       stream_peer client DEVICE SLOT CERTIFICATE "
                         "http|websocket|tls SIZE...\n";
            return 2;
        }
        return 0;
    } catch (const std::exception& e) {
        std::cerr << "stream_peer: " << e.what() << '\n';
        return 1;
    }
}
