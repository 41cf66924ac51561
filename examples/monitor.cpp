// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Print every ring and every event of a device until Ctrl-C, on a Boost.Asio event loop.
//
//     monitor DEVICE

#include <ivshmem/asio.hpp>

#include <boost/asio.hpp>

#include <iostream>

namespace net = boost::asio;

namespace {

net::awaitable<void> print_rings(ivshmem::device& device) {
    ivshmem::asio::any_interrupt interrupts{co_await net::this_coro::executor, device};
    for (;;) {
        const auto [vector, count] = co_await interrupts.async_wait(net::use_awaitable);
        std::cout << "vector " << vector << " rung " << count << 'x' << std::endl;
    }
}

net::awaitable<void> print_events(ivshmem::device& device) {
    ivshmem::asio::device_events events{co_await net::this_coro::executor, device};
    for (;;) {
        const ivshmem::event event = co_await events.async_next(net::use_awaitable);
        std::cout << to_string(event.type) << ", peer " << event.peer << std::endl;
        if (event.type == ivshmem::event::kind::removal_requested)
            throw std::runtime_error{"the device is going away"};
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: monitor DEVICE\n";
        return 2;
    }
    try {
        auto device = ivshmem::device::open(argv[1]);
        net::io_context io;
        const auto rethrow = [](const std::exception_ptr& e) {
            if (e)
                std::rethrow_exception(e);
        };
        net::signal_set signals{io, SIGINT, SIGTERM};
        signals.async_wait([&](auto, int) { io.stop(); });
        if (device.capabilities().interrupts > 0)
            net::co_spawn(io, print_rings(device), rethrow);
        const auto& can = device.capabilities();
        if (can.removal_events || can.peer_events || can.state_events)
            net::co_spawn(io, print_events(device), rethrow);
        std::cout << "peer " << device.id() << ", " << device.description() << std::endl;
        io.run();
    } catch (const std::exception& e) {
        std::cerr << "monitor: " << e.what() << '\n';
        return 1;
    }
}
