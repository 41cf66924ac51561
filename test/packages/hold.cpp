// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Hold a device open and ring its own id several times per second until SIGTERM. An upgrade of the
// packages must not interrupt this.
//
//     hold DEVICE

#include <ivshmem/ivshmem.hpp>

#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <thread>

namespace {

volatile std::sig_atomic_t ended = 0;

} // namespace

int main(int argc, char** argv) {
    if (argc != 2)
        return 2;
    std::signal(SIGTERM, [](int) { ended = 1; });
    try {
        auto device = ivshmem::device::open(argv[1]);
        long rings = 0;
        for (; !ended; ++rings) {
            device.memory()[0] = static_cast<std::byte>(rings);
            device.ring(device.id(), 0);
            if (device.wait(0, std::chrono::seconds{20}) == 0) {
                std::cout << "lost ring " << rings << std::endl;
                return 1;
            }
            if (rings == 0)
                std::cout << "rung" << std::endl;
            std::this_thread::sleep_for(std::chrono::milliseconds{100});
        }
        std::cout << "all " << rings << std::endl;
    } catch (const std::exception& e) {
        std::cout << "hold: " << e.what() << std::endl;
        return 1;
    }
}
