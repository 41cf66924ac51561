// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The doorbell ping-pong through the library on an Asio event loop:
//     bench-doorbell-asio DEVICE first|second RUN ROUNDS

#include "doorbell_meeting.hpp"

#include <ivshmem/asio.hpp>

#include <boost/asio.hpp>

#include <cstdlib>
#include <exception>
#include <string_view>

namespace net = boost::asio;

namespace {

net::awaitable<void> play(ivshmem::device& device, std::uint32_t other, bool first,
                          std::size_t rounds) {
    ivshmem::asio::interrupt interrupt{co_await net::this_coro::executor, device, 0};
    round_trips times{rounds};
    for (std::size_t i = 0; i < rounds; ++i) {
        const auto start = round_trips::clock::now();
        if (first)
            device.ring(other, 0);
        co_await interrupt.async_wait(net::use_awaitable);
        if (first)
            times.add(start);
        else
            device.ring(other, 0);
    }
    if (first)
        times.print();
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 5)
        throw std::runtime_error{"usage: bench-doorbell-asio DEVICE first|second RUN ROUNDS"};
    ivshmem::device device = ivshmem::device::open(argv[1]);
    const bool first = std::string_view{argv[2]} == "first";
    const meeting met{device.memory().data(), first, std::strtoull(argv[3], nullptr, 10),
                      device.id()};
    const std::uint32_t other = met.other();
    net::io_context io{1};
    std::exception_ptr failed;
    net::co_spawn(io, play(device, other, first, std::strtoull(argv[4], nullptr, 10)),
                  [&](std::exception_ptr e) { failed = e; });
    io.run();
    if (failed)
        std::rethrow_exception(failed);
    met.finish();
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-doorbell-asio: %s\n", e.what());
    return 1;
}
