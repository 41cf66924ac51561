// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Publish lines of text for any number of other VMs. The writer never waits; a reader that is too
// slow skips lines, and is told how many.
//
//     topic DEVICE SLOT publish
//     topic DEVICE SLOT subscribe
//
// On the host, with an ivshmem-server that listens at PATH, two processes or more:
//
//     ./topic server:PATH 1 subscribe
//     vmstat 1 | ./topic server:PATH 0 publish
//
// In guests, with the address that lsivshmem prints: ./topic 0000:00:04.0 1 subscribe
//
// SLOT is this program's place in the shared memory (0 to 3). Each program needs its own.

#include "on_slot.hpp"

#include <ivshmem/asio.hpp>
#include <ivshmem/topic_writer.hpp>

#include <boost/asio.hpp>

#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

namespace net = boost::asio;
constexpr auto with_error = net::as_tuple(net::use_awaitable);

namespace {

net::awaitable<void> publish(ivshmem::asio::slot& slot) {
    auto writer = ivshmem::topic_writer::create(slot.next_layer(), "lines");
    // Not std::cin, which would block the event loop: the slot could not answer claims.
    net::posix::stream_descriptor input{slot.get_executor(), ::dup(STDIN_FILENO)};
    std::string text;
    for (;;) {
        const auto [ec, size] =
            co_await net::async_read_until(input, net::dynamic_buffer(text), '\n', with_error);
        if (ec == net::error::eof && text.empty())
            co_return;
        if (ec && ec != net::error::eof)
            throw boost::system::system_error{ec, "standard input"};
        const std::size_t line = ec ? text.size() : size - 1; // the last line may have no newline
        writer.publish(std::as_bytes(std::span{text}.first(line)));
        text.erase(0, line + 1);
    }
}

net::awaitable<void> subscribe(ivshmem::asio::slot& slot) {
    // Of a topic that is there already, the last line too.
    ivshmem::asio::topic_reader reader{slot, "lines", {.history = 1}};
    std::cout << "listening in slot " << slot.number() << std::endl;
    std::vector<std::byte> line;
    for (;;) {
        const auto [ec, message] = co_await reader.async_read(line, with_error);
        if (ec == ivshmem::errc::topic_closed)
            co_return;
        if (ec)
            throw boost::system::system_error{ec, "reading"};
        if (message.skipped != 0)
            std::cerr << "skipped " << message.skipped << '\n';
        std::cout << std::string_view{reinterpret_cast<const char*>(line.data()), line.size()}
                  << std::endl;
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc == 4 ? argv[3] : "";
    if (what != "publish" && what != "subscribe") {
        std::cerr << "usage: topic DEVICE SLOT publish|subscribe\n";
        return 2;
    }
    try {
        run_on_slot(argv[1], argv[2], what == "publish" ? publish : subscribe);
    } catch (const std::exception& e) {
        std::cerr << "topic: " << e.what() << '\n';
        return 1;
    }
}
