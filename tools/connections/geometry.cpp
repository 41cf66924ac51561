// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/geometry.hpp"

#include <ivshmem/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace connections {
namespace {

constexpr std::uint32_t lanes = 4;

/// A number of slots, and the rings that are the least that it is worth: a stream needs a wake-up
/// of each side for each ring that it fills.
struct choice {
    std::uint32_t slots;
    std::uint32_t smallest_ring;
};
constexpr std::array<choice, 2> choices{{{16, 32768}, {8, 8192}}};

ivshmem::slot claim_as(const ivshmem::device& of, const ivshmem::slot_options& options) {
    return options.number || of.generation() == ivshmem::device_generation::v2
               ? ivshmem::slot::claim(of, options)
               : ivshmem::slot::claim_free(of, options);
}

/// Returns the vector to be rung on. Programs that share a device take different ones in turn, so
/// that a ring reaches, as far as there are enough, the program that it is for, and no other.
std::uint16_t choose_vector(ivshmem::device& of) {
    const std::size_t vectors = of.capabilities().interrupts;
    if (of.backend() != ivshmem::backend_kind::shared || vectors == 0)
        return 0;
    const std::size_t others = std::max<std::size_t>(of.users().size(), 1) - 1;
    return static_cast<std::uint16_t>(others % vectors);
}

} // namespace

std::optional<ivshmem::region_geometry> recommended_geometry(std::uint64_t memory) {
    const std::uint64_t used = memory - memory / 8; // the rest is left for later versions
    for (const auto& [slots, smallest_ring] : choices) {
        const auto geometry = ivshmem::largest_rings(used, slots, lanes);
        if (geometry.ring_size >= smallest_ring && ivshmem::region_needed(geometry) <= used)
            return geometry;
    }
    return std::nullopt;
}

ivshmem::slot claim(ivshmem::device& of, ivshmem::slot_options options) {
    options.vector = choose_vector(of);
    if (of.generation() == ivshmem::device_generation::v1)
        options.geometry = recommended_geometry(of.memory().size());
    if (!options.geometry)
        return claim_as(of, options);
    try {
        return claim_as(of, options);
    } catch (const ivshmem::error& e) {
        if (e.code() != ivshmem::errc::geometry_mismatch)
            throw;
    }
    options.geometry.reset(); // that of the peers
    return claim_as(of, options);
}

} // namespace connections
