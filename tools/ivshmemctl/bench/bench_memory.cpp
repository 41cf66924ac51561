// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "bench/bench_memory.hpp"

#include "bench/bench_rounds.hpp"
#include "memory/aligned_copy.hpp"

#include <ivshmem/shared_memory.hpp>

namespace ivshmemctl {
namespace {

/// Measures copies in pieces, so that a signal can interrupt them.
template <typename Copy>
double mib_per_second(std::size_t size, Copy copy) {
    const auto times = time_rounds([&] {
        for (std::size_t at = 0; at < size && !caught_signals::arrived(); at += memory_part::piece)
            copy(at, std::min(memory_part::piece, size - at));
        ivshmem::shared_memory::publish();
    });
    return static_cast<double>(size) / (1U << 20U) / (median(times) / 1e9);
}

} // namespace

bandwidth measure_bandwidth(ivshmem::cache_mode mode, std::span<std::byte> memory, bool writes) {
    std::vector<std::byte> own(memory.size());
    bandwidth measured;
    measured.read = mib_per_second(memory.size(), [&](std::size_t at, std::size_t size) {
        copy_from(mode, memory.subspan(at, size), &own[at]);
    });
    if (!writes)
        return measured;
    measured.write = mib_per_second(memory.size(), [&](std::size_t at, std::size_t size) {
        copy_to(mode, memory.subspan(at, size), &own[at]);
    });
    const auto half = memory.size() / 2;
    if (half != 0)
        measured.copy = mib_per_second(half, [&](std::size_t at, std::size_t size) {
            copy_from(mode, memory.subspan(at, size), own.data());
            copy_to(mode, memory.subspan(half + at, size), own.data());
        });
    return measured;
}

saved_bytes::saved_bytes(ivshmem::cache_mode mode, std::span<std::byte> shared)
    : mode_{mode}, shared_{shared}, bytes_(shared.size()) {
    copy_from(mode_, shared_, bytes_.data());
}

saved_bytes::~saved_bytes() {
    copy_to(mode_, shared_.first(bytes_.size()), bytes_.data());
    ivshmem::shared_memory::publish();
}

} // namespace ivshmemctl
