// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/layout.hpp"

#include <ivshmem/region_geometry.hpp>

#include <bit>

namespace ivshmem {
namespace {

constexpr std::uint32_t smallest_ring = 1024;
constexpr std::uint32_t largest_ring = 256U * 1024 * 1024;
constexpr std::uint32_t largest_ring_by_default = 1024U * 1024;

} // namespace

bool is_valid(const region_geometry& g) noexcept {
    return g.slots >= 2 && g.slots <= 256 && g.lanes >= 1 && g.lanes <= 1024 &&
           std::has_single_bit(g.ring_size) && g.ring_size >= smallest_ring &&
           g.ring_size <= largest_ring;
}

std::uint64_t region_needed(const region_geometry& g) noexcept {
    const std::uint64_t blocks = std::uint64_t{g.slots - 1} * g.lanes;
    const std::uint64_t section =
        layout::header::size + blocks * (layout::block::ring + g.ring_size);
    const std::uint64_t page = layout::page;
    return (section + page - 1) / page * page * g.slots;
}

region_geometry largest_rings(std::uint64_t region, std::uint32_t slots,
                              std::uint32_t lanes) noexcept {
    region_geometry g{slots, lanes, largest_ring_by_default};
    while (g.ring_size > smallest_ring && region_needed(g) > region)
        g.ring_size /= 2;
    return g;
}

} // namespace ivshmem
