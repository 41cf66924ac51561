// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Two peers of an ivshmem-v2 device that count in their states, each one more than the other:
//     bench-states DEVICE PEER first|second ROUNDS
// `first` prints nanoseconds from a change of its state to the answering change of the other's.

#include "doorbell_meeting.hpp"

#include <ivshmem/device.hpp>

#include <cstdlib>
#include <exception>
#include <string_view>

namespace {

/// Waits until a peer has a state, or has ended after it; its changes are rings of vector 0.
void await(ivshmem::device& device, std::uint32_t peer, std::uint32_t state) {
    for (auto seen = device.peer_state(peer); seen != state && seen != 0;
         seen = device.peer_state(peer))
        device.wait(0, std::chrono::seconds{30});
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 5)
        throw std::runtime_error{"usage: bench-states DEVICE PEER first|second ROUNDS"};
    ivshmem::device device = ivshmem::device::open(argv[1]);
    const auto peer = static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10));
    const bool first = std::string_view{argv[3]} == "first";
    const auto rounds = static_cast<std::uint32_t>(std::strtoul(argv[4], nullptr, 10));
    round_trips times{rounds};
    device.set_state(1); // to meet
    while (device.peer_state(peer) == 0)
        device.wait(0, std::chrono::seconds{30});
    for (std::uint32_t i = 2; i < rounds + 2; ++i) {
        const auto start = round_trips::clock::now();
        if (first) {
            device.set_state(i);
            await(device, peer, i);
            times.add(start);
        } else {
            await(device, peer, i);
            device.set_state(i);
        }
    }
    if (first)
        times.print();
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-states: %s\n", e.what());
    return 1;
}
