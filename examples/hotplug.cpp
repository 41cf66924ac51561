// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Count the rings of a device while it exists: close it when its removal is requested, and open it
// again when it is back, as after the migration of a VM.
//
//     hotplug DEVICE

#include <ivshmem/asio.hpp>

#include <boost/asio.hpp>

#include <csignal>
#include <cstdint>
#include <iostream>

namespace net = boost::asio;

namespace {

/// Returns when the device is being removed.
net::awaitable<void> count_rings(ivshmem::device& device, std::uint64_t& rings) {
    ivshmem::asio::any_interrupt interrupts{co_await net::this_coro::executor, device};
    for (;;) {
        const auto [ec, got] = co_await interrupts.async_wait(net::as_tuple(net::use_awaitable));
        if (ec == ivshmem::errc::device_removed)
            co_return;
        if (ec)
            throw boost::system::system_error{ec};
        rings += got.count;
        std::cout << "vector " << got.vector << ", rings so far: " << rings << std::endl;
    }
}

net::awaitable<void> serve(ivshmem::selector which) {
    using kind = ivshmem::device_change::kind;
    std::uint64_t rings = 0;
    ivshmem::asio::device_monitor monitor{co_await net::this_coro::executor,
                                          ivshmem::device_monitor::open()};
    for (;;) {
        // The first changes report the devices that are already present.
        const auto change = co_await monitor.async_next(net::use_awaitable);
        std::cout << to_string(change.type) << ' ' << to_string(change.device.address) << std::endl;
        if (change.type == kind::removed || change.device.driver.empty())
            continue; // a later change reports its driver
        std::error_code ec;
        auto device = ivshmem::device::open(which, ec);
        if (ec) {
            std::cout << "cannot be opened yet: " << ec.message() << std::endl;
            continue;
        }
        if (device.capabilities().interrupts == 0) {
            std::cout << "cannot be rung: bind it to vfio-pci" << std::endl;
            continue;
        }
        std::cout << "open, peer " << device.id() << std::endl;
        co_await count_rings(device, rings);
        device.close(); // the device cannot be removed before this
        std::cout << "let go, rings so far: " << rings << std::endl;
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: hotplug DEVICE\n";
        return 2;
    }
    try {
        net::io_context io{1};
        net::signal_set signals{io, SIGINT, SIGTERM};
        signals.async_wait([&](auto, int) { io.stop(); });
        net::co_spawn(io, serve(ivshmem::selector::parse(argv[1])),
                      [](const std::exception_ptr& e) {
                          if (e)
                              std::rethrow_exception(e);
                      });
        io.run();
    } catch (const std::exception& e) {
        std::cerr << "hotplug: " << e.what() << '\n';
        return 1;
    }
}
