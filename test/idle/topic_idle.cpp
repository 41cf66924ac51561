// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// topic_idle DEVICE write|read: publishes each line of the standard input, or prints each message.
// Neither beats.

#include <ivshmem/asio.hpp>
#include <ivshmem/topic_writer.hpp>

#include <boost/asio.hpp>

#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

namespace {

namespace net = boost::asio;

net::awaitable<void> write(ivshmem::asio::slot& slot) {
    auto writer = ivshmem::topic_writer::create(slot.next_layer(), "idle");
    net::posix::stream_descriptor input{slot.get_executor(), ::dup(STDIN_FILENO)};
    for (std::string text;;) {
        const std::size_t size = co_await net::async_read_until(input, net::dynamic_buffer(text),
                                                                '\n', net::use_awaitable);
        writer.publish(std::as_bytes(std::span{text}.first(size)));
        text.erase(0, size);
    }
}

net::awaitable<void> read(ivshmem::asio::slot& slot) {
    ivshmem::asio::topic_reader reader{slot, "idle"};
    std::cout << "reading" << std::endl;
    for (std::vector<std::byte> line;;) {
        co_await reader.async_read(line, net::use_awaitable);
        std::cout << std::string_view{reinterpret_cast<const char*>(line.data()), line.size()}
                  << std::flush;
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3)
        return 2;
    const bool writes = argv[2] == std::string_view{"write"};
    net::io_context io{1};
    const auto device = ivshmem::device::open(argv[1], {.vectors = 1});
    ivshmem::asio::slot slot{io, device, {.number = writes ? 0U : 1U}};
    net::co_spawn(io, writes ? write(slot) : read(slot), net::detached);
    io.run();
}
