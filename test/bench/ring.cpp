// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The cost of ring() beside the bare store, on the same mapped register:
//     bench-ring ADDRESS ROUNDS
// The device must have no driver, so that its BAR0 can be mapped a second time. It rings a peer
// that does not exist. Prints a pair of nanoseconds a round: ring(), bare store.

#include <ivshmem/ivshmem.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>

namespace {

constexpr std::uint32_t absent = 60'000;
constexpr int calls = 2'000;
constexpr int batches = 15;

template <typename Call>
double nanoseconds(Call call) {
    using clock = std::chrono::steady_clock;
    const auto start = clock::now();
    for (int i = 0; i < calls; ++i)
        call();
    return std::chrono::duration<double, std::nano>(clock::now() - start).count() / calls;
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 3)
        throw std::runtime_error{"usage: bench-ring ADDRESS ROUNDS"};
    ivshmem::device device = ivshmem::device::open(argv[1]);
    const auto* const info = device.info();
    if (info == nullptr || !info->resource0)
        throw std::runtime_error{"no PCI device"};
    const int fd = ::open(info->resource0->path.c_str(), O_RDWR | O_CLOEXEC);
    void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) // NOLINT: the macro is C's
        throw std::system_error{errno, std::system_category(), "mmap"};
    auto* const doorbell = reinterpret_cast<volatile std::uint32_t*>(
        static_cast<std::byte*>(page) + info->bars[0].start % 4096 + 0xc);

    for (int round = std::atoi(argv[2]); round > 0; --round) {
        // The quickest of some batches, because disturbances only add time.
        double ring = 1e9;
        double store = 1e9;
        for (int i = 0; i < batches; ++i) {
            ring = std::min(ring, nanoseconds([&] { device.ring(absent, 0); }));
            store = std::min(store, nanoseconds([&] { *doorbell = absent << 16U; }));
        }
        std::printf("%.2f %.2f\n", ring, store);
    }
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-ring: %s\n", e.what());
    return 1;
}
