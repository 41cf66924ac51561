// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// How long a message takes from loan() to a view that was checked, beside a copy of its bytes:
//     bench-frames DEVICE BYTES ROUNDS
// Prints a line a round: nanoseconds of a message, and of a copy.

#include <ivshmem/ivshmem.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

template <typename Step>
double nanoseconds(int repeats, Step step) {
    const auto start = clock_type::now();
    for (int i = 0; i < repeats; ++i)
        step();
    return std::chrono::duration<double, std::nano>{clock_type::now() - start}.count() / repeats;
}

ivshmem::slot claim(const ivshmem::device& of, std::uint32_t number) {
    const ivshmem::slot_options options{.number = number,
                                        .geometry = ivshmem::region_geometry{2, 1, 1024}};
    return ivshmem::slot::claim(of, options);
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 4)
        throw std::runtime_error{"usage: bench-frames DEVICE BYTES ROUNDS"};
    const std::size_t size = std::stoull(argv[2]);
    const auto one = ivshmem::device::open(argv[1]);
    const auto other = ivshmem::device::open(argv[1]);
    const auto writes = claim(one, 0);
    const auto reads = claim(other, 1);
    auto out = ivshmem::topic_writer::create(writes, "frames", {.size = 3 * size, .messages = 4});
    auto in = ivshmem::topic_reader::open(reads, "frames");
    std::vector<std::byte> from(size, std::byte{1});
    std::vector<std::byte> to(size);
    for (int round = std::atoi(argv[3]); round > 0; --round) {
        const double message = nanoseconds(20'000, [&] {
            // The bytes are not touched: only this side's share of the time is measured.
            if (out.loan(size).size() != size)
                throw std::runtime_error{"the loan has another size"};
            out.publish();
            const auto view = in.try_view();
            if (!view || view->bytes.size() != size || !in.still_valid(*view))
                throw std::runtime_error{"the message did not arrive"};
        });
        const auto copies = static_cast<int>(std::clamp<std::size_t>((1U << 28U) / size, 4, 2000));
        const double copy = nanoseconds(copies, [&] {
            std::memcpy(to.data(), from.data(), size);
            asm volatile("" ::: "memory");
        });
        std::printf("%.1f %.1f\n", message, copy);
    }
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "bench-frames: %s\n", e.what());
    return 1;
}
