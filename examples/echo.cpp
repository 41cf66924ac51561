// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Send lines of text to another VM, which sends each line back.
//
//     echo DEVICE SLOT server
//     echo DEVICE SLOT client
//
// On the host, with an ivshmem-server that listens at PATH, two processes:
//
//     ./echo server:PATH 0 server
//     ./echo server:PATH 1 client
//
// In two guests, or in a guest and on the host, with the address that lsivshmem prints:
//
//     ./echo 0000:00:04.0 0 server
//     ./echo 0000:00:04.0 1 client <<< "hello"
//
// SLOT is this program's place in the shared memory (0 to 3). Each program needs its own.

#include "on_slot.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio.hpp>

#include <iostream>
#include <string>
#include <string_view>

#include <unistd.h>

namespace net = boost::asio;
constexpr auto with_error = net::as_tuple(net::use_awaitable);

namespace {

constexpr std::uint32_t longest_message = 64 * 1024;

net::awaitable<void> send_back(ivshmem::asio::channel channel) {
    std::string message(longest_message, '\0');
    for (;;) {
        const auto [ec, size] = co_await channel.async_receive(net::buffer(message), with_error);
        if (ec == ivshmem::errc::channel_closed || ec == ivshmem::errc::channel_reset ||
            ec == ivshmem::errc::peer_lost)
            co_return; // the client is gone
        if (ec)
            throw boost::system::system_error{ec, "receiving"};
        co_await channel.async_send(net::buffer(message, size), net::use_awaitable);
    }
}

net::awaitable<void> serve(ivshmem::asio::slot& slot) {
    ivshmem::asio::acceptor acceptor{slot, "echo", {.max_message = longest_message}};
    std::cout << "offering echo in slot " << slot.number() << std::endl;
    for (;;) {
        auto channel = co_await acceptor.async_accept(net::use_awaitable);
        std::cout << "slot " << channel.next_layer().peer_slot() << " is here" << std::endl;
        net::co_spawn(slot.get_executor(), send_back(std::move(channel)), net::detached);
    }
}

net::awaitable<void> ask(ivshmem::asio::slot& slot) {
    auto channel = co_await ivshmem::asio::async_connect(slot, "echo", net::use_awaitable);
    // Not std::cin, which would block the event loop: the slot could not answer claims.
    net::posix::stream_descriptor input{slot.get_executor(), ::dup(STDIN_FILENO)};
    std::string answer(longest_message, '\0');
    std::string text;
    for (;;) {
        const auto [ec, size] =
            co_await net::async_read_until(input, net::dynamic_buffer(text), '\n', with_error);
        if (ec == net::error::eof && text.empty())
            co_return;
        if (ec && ec != net::error::eof)
            throw boost::system::system_error{ec, "standard input"};
        const std::size_t line = ec ? text.size() : size - 1; // the last line may have no newline
        co_await channel.async_send(net::buffer(text, line), net::use_awaitable);
        text.erase(0, line + 1);
        const auto got = co_await channel.async_receive(net::buffer(answer), net::use_awaitable);
        std::cout << std::string_view{answer.data(), got} << std::endl;
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc == 4 ? argv[3] : "";
    if (what != "server" && what != "client") {
        std::cerr << "usage: echo DEVICE SLOT server|client\n";
        return 2;
    }
    try {
        run_on_slot(argv[1], argv[2], what == "server" ? serve : ask);
    } catch (const std::exception& e) {
        std::cerr << "echo: " << e.what() << '\n';
        return 1;
    }
}
