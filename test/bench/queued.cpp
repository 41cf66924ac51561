// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The cost of a message while others are queued behind it:
//     bench-queued QUEUED MESSAGES
// One process has both ends of a channel on one event loop, and keeps QUEUED sends and one receive
// under way. Prints the nanoseconds of processor time a message: other load on the machine
// does not count.

#include "transports/server_process.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <functional>
#include <string>

namespace {

namespace net = boost::asio;
using boost::system::error_code;

struct end {
    end(net::io_context& context, const std::string& server, std::uint32_t number)
        : device{ivshmem::device::open(server, {.vectors = 1})},
          slot{context,
               device,
               {.number = number, .geometry = ivshmem::region_geometry{2, 1, 4096}}},
          channel{slot, 1 - number, 0} {}

    ivshmem::device device;
    ivshmem::asio::slot slot;
    ivshmem::asio::channel channel;
    std::array<char, 64> message{};
};

double nanoseconds_a_message(std::uint64_t queued, std::uint64_t messages) {
    const bench::server_process server{std::size_t{4} << 20U};
    net::io_context context{1};
    end from{context, server.selector(), 0};
    end to{context, server.selector(), 1};
    std::uint64_t started = 0;
    std::uint64_t received = 0;
    const auto check = [](error_code ec) {
        if (ec)
            throw boost::system::system_error{ec};
    };
    std::function<void()> send = [&] {
        if (started++ < messages)
            from.channel.async_send(net::buffer(from.message), [&](error_code ec, std::size_t) {
                check(ec);
                send();
            });
    };
    std::function<void()> receive = [&] {
        to.channel.async_receive(net::buffer(to.message), [&](error_code ec, std::size_t) {
            check(ec);
            if (++received < messages)
                receive();
        });
    };
    const std::clock_t start = std::clock();
    for (std::uint64_t i = 0; i < queued; ++i)
        send();
    receive();
    while (received < messages)
        context.run_one();
    const auto took = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    return took * 1e9 / static_cast<double>(messages);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: bench-queued QUEUED MESSAGES\n");
        return 64;
    }
    try {
        std::printf("%.1f\n", nanoseconds_a_message(std::strtoul(argv[1], nullptr, 10),
                                                    std::strtoul(argv[2], nullptr, 10)));
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench-queued: %s\n", error.what());
        return 1;
    }
}
