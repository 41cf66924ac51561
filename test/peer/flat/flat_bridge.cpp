// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
//
// Serves the page of registers to a guest whose memory is that of an ivshmem server: joins the
// server, as ivshmem-flat does, and passes the guest's rings on. flat-bridge server:SOCKET; ends
// with the server, or with a signal.

#include "register_page.h"

#include <ivshmem/device.hpp>
#include <ivshmem/discovery.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <random>
#include <thread>

namespace {

std::atomic_ref<std::uint32_t> word(ivshmem::device& device, std::size_t offset) {
    auto* const page = device.memory().bytes().data() + REGISTER_PAGE;
    return std::atomic_ref{*reinterpret_cast<std::uint32_t*>(page + offset)};
}

} // namespace

int main(int count, char** arguments) try {
    if (count != 2) {
        std::cerr << "flat-bridge server:SOCKET\n";
        return 2;
    }
    auto device = ivshmem::device::open(arguments[1], {.trust_server = true});
    std::random_device random;
    word(device, IV_POSITION) = device.id();
    word(device, RANDOM) = random();
    std::uint32_t taken = word(device, RUNG);
    word(device, TAKEN) = taken;
    word(device, PRESENT) = 1;
    std::cout << "serves the registers of peer " << device.id() << std::endl;
    for (;;) {
        if (const std::uint32_t rung = word(device, RUNG); rung != taken) {
            const std::uint32_t doorbell = word(device, DOORBELL);
            std::error_code absent; // the device reports no error either
            device.ring(doorbell >> 16, doorbell & 0xffff, absent);
            taken = rung;
            word(device, TAKEN) = taken;
            word(device, RANDOM) = random();
        }
        while (device.take_any()) {
        }
        while (device.next_event()) {
        }
        std::this_thread::sleep_for(std::chrono::microseconds{100});
    }
} catch (const std::exception& e) {
    std::cerr << "flat-bridge: " << e.what() << '\n';
    return 1;
}
