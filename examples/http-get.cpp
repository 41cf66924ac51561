// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Get pages from an HTTP server in another VM, one after the other over one stream. The bodies go
// to standard output, the status lines to standard error.
//
//     http-get DEVICE SLOT PATH...
//
// On the host, with an ivshmem-server that listens at PATH, two processes:
//
//     ./http-server server:PATH 0
//     ./http-get server:PATH 1 / /missing
//
// In two guests, or in a guest and on the host, with the address that lsivshmem prints:
//
//     ./http-server 0000:00:04.0 0
//     ./http-get 0000:00:04.0 1 / /missing

#include "on_slot.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <iostream>
#include <optional>
#include <string>
#include <vector>

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

namespace {

constexpr std::uint64_t longest_body = 1U << 30;

/// A connection to any VM that serves HTTP. Connects again if the server has closed it.
class browser {
  public:
    explicit browser(ivshmem::asio::slot& slot) : slot_{slot} {}

    net::awaitable<http::response<http::string_body>> get(std::string path) {
        if (!stream_)
            stream_.emplace(
                co_await ivshmem::asio::async_connect(slot_, "http", net::use_awaitable));
        http::request<http::empty_body> request{http::verb::get, path, 11};
        request.set(http::field::host, "ivshmem");
        request.set(http::field::user_agent, "http-get");
        co_await http::async_write(*stream_, request, net::use_awaitable);
        http::response_parser<http::string_body> parser;
        parser.body_limit(longest_body);
        co_await http::async_read(*stream_, buffer_, parser, net::use_awaitable);
        if (!parser.get().keep_alive()) {
            stream_.reset();
            buffer_.clear();
        }
        co_return parser.release();
    }

  private:
    ivshmem::asio::slot& slot_;
    std::optional<ivshmem::asio::stream> stream_;
    beast::flat_buffer buffer_;
};

/// @return Whether the server had all of them.
net::awaitable<bool> get_all(ivshmem::asio::slot& slot, std::vector<std::string> paths) {
    browser b{slot};
    bool all = true;
    for (const std::string& path : paths) {
        const auto response = co_await b.get(path);
        std::cerr << path << ": " << response.result_int() << ' ' << response.reason() << ", "
                  << response.body().size() << " bytes, " << response[http::field::content_type]
                  << std::endl;
        std::cout << response.body() << std::flush;
        all = all && response.result() == http::status::ok;
    }
    co_return all;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::cerr << "usage: http-get DEVICE SLOT PATH...\n";
        return 2;
    }
    try {
        bool all = false;
        run_on_slot(argv[1], argv[2], [&](auto& slot) -> net::awaitable<void> {
            all = co_await get_all(slot, {argv + 3, argv + argc});
        });
        return all ? 0 : 1;
    } catch (const std::exception& e) {
        std::cerr << "http-get: " << e.what() << '\n';
        return 1;
    }
}
