// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Serve the files of a folder, or a built-in page, to the other VMs: HTTP with Boost.Beast.
//
//     http-server DEVICE SLOT [FOLDER]
//
// On the host, with an ivshmem-server that listens at PATH, two processes:
//
//     ./http-server server:PATH 0 /usr/share/doc
//     ./http-get server:PATH 1 /bash/README
//
// In two guests, or in a guest and on the host, with the address that lsivshmem prints:
//
//     ./http-server 0000:00:04.0 0 /usr/share/doc
//     ./http-get 0000:00:04.0 1 /bash/README

#include "on_slot.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace fs = std::filesystem;
constexpr auto with_error = net::as_tuple(net::use_awaitable);

namespace {

using request_type = http::request<http::string_body>;

/// Returns the file that a target names, if it is in the folder after following links.
std::optional<fs::path> find(const fs::path& folder, std::string target) {
    target = target.substr(0, target.find('?'));
    if (target.empty() || target.front() != '/')
        return std::nullopt;
    if (target.back() == '/')
        target += "index.html";
    std::error_code ec;
    const fs::path file = fs::canonical(folder / target.substr(1), ec);
    if (ec || !fs::is_regular_file(file, ec))
        return std::nullopt;
    const auto [end, ignored] =
        std::mismatch(folder.begin(), folder.end(), file.begin(), file.end());
    return end == folder.end() ? std::optional{file} : std::nullopt;
}

const char* type_of(const fs::path& file) {
    const fs::path suffix = file.extension();
    return suffix == ".html"  ? "text/html; charset=utf-8"
           : suffix == ".css" ? "text/css"
           : suffix == ".js"  ? "text/javascript"
           : suffix == ".svg" ? "image/svg+xml"
           : suffix == ".png" ? "image/png"
           : suffix == ".txt" ? "text/plain; charset=utf-8"
                              : "application/octet-stream";
}

/// Sends the whole response, or only its head.
template <typename Body>
net::awaitable<void> send(ivshmem::asio::stream& stream, const request_type& to,
                          http::response<Body>& response, const char* type) {
    response.set(http::field::content_type, type);
    response.keep_alive(to.keep_alive());
    response.prepare_payload();
    http::response_serializer<Body> serializer{response};
    if (to.method() == http::verb::head)
        co_await http::async_write_header(stream, serializer, net::use_awaitable);
    else
        co_await http::async_write(stream, serializer, net::use_awaitable);
}

net::awaitable<void> respond(ivshmem::asio::stream& stream, const request_type& to,
                             const fs::path& folder) {
    http::response<http::string_body> text{http::status::ok, to.version()};
    if (to.method() != http::verb::get && to.method() != http::verb::head) {
        text.result(http::status::method_not_allowed);
        text.set(http::field::allow, "GET, HEAD");
    } else if (folder.empty() && to.target() == "/") {
        text.body() = "<!doctype html>\n<title>ivshmem</title>\n<p>Hello from another VM.\n";
        co_return co_await send(stream, to, text, "text/html; charset=utf-8");
    } else if (const auto file = find(folder, std::string{to.target()}); !folder.empty() && file) {
        http::response<http::file_body> found{http::status::ok, to.version()};
        beast::error_code ec;
        found.body().open(file->c_str(), beast::file_mode::scan, ec);
        if (!ec)
            co_return co_await send(stream, to, found, type_of(*file));
        text.result(http::status::forbidden);
    } else {
        text.result(http::status::not_found);
    }
    text.body() = std::string{http::obsolete_reason(text.result())} + '\n';
    co_await send(stream, to, text, "text/plain; charset=utf-8");
}

/// Answers one client until it leaves or sends no request for a minute.
net::awaitable<void> talk(ivshmem::asio::stream stream, fs::path folder) {
    using namespace net::experimental::awaitable_operators;
    net::steady_timer idle{co_await net::this_coro::executor};
    beast::flat_buffer buffer;
    for (bool open = true; open;) {
        request_type request;
        idle.expires_after(std::chrono::minutes{1});
        const auto first = co_await (http::async_read(stream, buffer, request, with_error) ||
                                     idle.async_wait(with_error));
        if (first.index() == 1 || std::get<0>(std::get<0>(first)))
            break;
        std::cout << request.method_string() << ' ' << request.target() << std::endl;
        co_await respond(stream, request, folder);
        open = request.keep_alive();
    }
    stream.shutdown();
    co_await stream.channel().async_drain(with_error);
}

net::awaitable<void> serve(ivshmem::asio::slot& slot, fs::path folder) {
    ivshmem::asio::acceptor acceptor{slot, "http"};
    std::cout << "serving HTTP in slot " << slot.number() << std::endl;
    for (;;) {
        ivshmem::asio::stream stream{co_await acceptor.async_accept(net::use_awaitable)};
        net::co_spawn(slot.get_executor(), talk(std::move(stream), folder), net::detached);
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3 && argc != 4) {
        std::cerr << "usage: http-server DEVICE SLOT [FOLDER]\n";
        return 2;
    }
    try {
        const fs::path folder = argc == 4 ? fs::canonical(argv[3]) : fs::path{};
        run_on_slot(argv[1], argv[2], [&](auto& slot) { return serve(slot, folder); });
    } catch (const std::exception& e) {
        std::cerr << "http-server: " << e.what() << '\n';
        return 1;
    }
}
