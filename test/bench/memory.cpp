// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// How fast the shared memory is, in one cache mode, beside plain memory:
//     bench-memory DEVICE write-back|write-combining|uncached ROUNDS
// Prints a line a round: gigabytes a second of read shared, read plain, write shared, write plain.

#include <ivshmem/ivshmem.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t block = std::size_t{4} << 20U; ///< bytes; larger than a core's caches
constexpr int repeats = 8;

double gigabytes_a_second(std::byte* to, const std::byte* from) {
    using clock = std::chrono::steady_clock;
    const auto start = clock::now();
    for (int i = 0; i < repeats; ++i) {
        std::memcpy(to, from, block);
        asm volatile("" ::: "memory");
    }
    const std::chrono::duration<double> took = clock::now() - start;
    return double(block) * repeats / took.count() / 1e9;
}

ivshmem::cache_mode mode_named(std::string_view name) {
    for (const auto mode : {ivshmem::cache_mode::write_back, ivshmem::cache_mode::write_combining,
                            ivshmem::cache_mode::uncached})
        if (to_string(mode) == name)
            return mode;
    throw std::runtime_error{"no such cache mode"};
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 4)
        throw std::runtime_error{"usage: bench-memory DEVICE MODE ROUNDS"};
    ivshmem::open_options options;
    options.cache = mode_named(argv[2]);
    const ivshmem::device device = ivshmem::device::open(argv[1], options);
    if (device.memory().size() < block)
        throw std::runtime_error{"the shared memory is too small"};
    std::byte* const shared = device.memory().data();
    std::vector<std::byte> plain(block, std::byte{1});
    std::vector<std::byte> buffer(block, std::byte{2});
    std::memcpy(shared, buffer.data(), block);
    for (int round = std::atoi(argv[3]); round > 0; --round) {
        const double read_shared = gigabytes_a_second(buffer.data(), shared);
        const double read_plain = gigabytes_a_second(buffer.data(), plain.data());
        const double write_shared = gigabytes_a_second(shared, buffer.data());
        const double write_plain = gigabytes_a_second(plain.data(), buffer.data());
        std::printf("%.3f %.3f %.3f %.3f\n", read_shared, read_plain, write_shared, write_plain);
    }
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-memory: %s\n", e.what());
    return 1;
}
