// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "bench/bench_rings.hpp"

namespace ivshmemctl {

double measure_ring(ivshmem::device& device) {
    constexpr int batch = 100;
    const auto times = time_rounds([&] {
        for (int i = 0; i < batch; ++i)
            device.ring(device.id(), 0);
    });
    return median(times) / batch;
}

round_times measure_self_rings(ivshmem::device& device) {
    constexpr std::chrono::milliseconds quiet{20};
    constexpr std::chrono::seconds lost{2};
    std::error_code ec;
    // Drains earlier rings, for a second at most: a peer may go on ringing.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{1};
    while (device.wait(0, quiet, ec) != 0 && std::chrono::steady_clock::now() < end)
        if (caught_signals::arrived())
            break;
    return time_rounds([&] {
        device.ring(device.id(), 0);
        device.wait(0, lost);
    });
}

} // namespace ivshmemctl
