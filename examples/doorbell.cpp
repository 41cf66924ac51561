// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Ring a peer, or wait for a ring, without an event loop.
//
//     doorbell DEVICE ring PEER VECTOR
//     doorbell DEVICE wait VECTOR [SECONDS]
//
// DEVICE is an address from lsivshmem (0000:00:04.0); on the host, server:/run/ivshmem/NAME.sock.
// The side that waits prints its id first, for the peer that rings.

#include <ivshmem/ivshmem.hpp>

#include <charconv>
#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

std::uint32_t number(const std::string& text) {
    std::uint32_t value = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (parsed.ec != std::errc{} || parsed.ptr != end)
        throw std::invalid_argument{text + ": not a number"};
    return value;
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const std::string what = arguments.size() < 2 ? "" : arguments[1];
    const bool ring = what == "ring" && arguments.size() == 4;
    const bool wait = what == "wait" && (arguments.size() == 3 || arguments.size() == 4);
    if (!ring && !wait) {
        std::cerr << "usage: doorbell DEVICE ring PEER VECTOR\n"
                     "       doorbell DEVICE wait VECTOR [SECONDS]\n";
        return 2;
    }
    try {
        auto device = ivshmem::device::open(arguments[0]);
        std::cout << "peer " << device.id() << ", " << device.memory().size() << " bytes, "
                  << device.vectors() << " vectors" << std::endl;
        if (ring) {
            device.ring(number(arguments[2]), number(arguments[3]));
        } else {
            using std::chrono::seconds;
            const seconds timeout{arguments.size() == 4 ? static_cast<long>(number(arguments[3]))
                                                        : -1};
            const auto rings = device.wait(number(arguments[2]), timeout);
            std::cout << "rung " << rings << (rings == 1 ? " time" : " times") << std::endl;
        }
    } catch (const std::exception& e) {
        std::cerr << "doorbell: " << e.what() << '\n';
        return 1;
    }
}
