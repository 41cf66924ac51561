// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Print the changes of devices, and whether this user may use them, until SIGTERM.

#include <ivshmem/ivshmem.hpp>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>

#include <poll.h>

int main() {
    std::signal(SIGTERM, [](int) { std::_Exit(0); });
    try {
        auto monitor = ivshmem::device_monitor::open();
        for (;;) {
            while (const auto change = monitor.next()) {
                const auto& device = change->device;
                const auto& node = device.vfio_node ? device.vfio_node : device.uio_node;
                std::cout << to_string(change->type) << ' ' << to_string(device.address) << ' '
                          << device.driver << (node && node->usable() ? " usable" : "")
                          << std::endl;
            }
            pollfd entry{monitor.fd(), POLLIN, 0};
            ::poll(&entry, 1, -1);
        }
    } catch (const std::exception& e) {
        std::cout << "follow: " << e.what() << std::endl;
        return 1;
    }
}
