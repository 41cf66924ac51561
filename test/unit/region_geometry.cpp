// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/catch.hpp"

#include <ivshmem/region_geometry.hpp>

using ivshmem::is_valid;
using ivshmem::largest_rings;
using ivshmem::region_geometry;
using ivshmem::region_needed;

TEST_CASE("the ranges of a geometry") {
    CHECK(is_valid({}));
    CHECK(is_valid({2, 1, 1024}));
    CHECK(is_valid({256, 1024, 268435456}));
    for (const std::uint32_t slots : {0U, 1U, 257U, ~0U})
        CHECK_FALSE(is_valid({slots, 1, 1024}));
    for (const std::uint32_t lanes : {0U, 1025U, ~0U})
        CHECK_FALSE(is_valid({2, lanes, 1024}));
    for (const std::uint32_t ring : {0U, 512U, 1023U, 1025U, 1536U, 536870912U, ~0U})
        CHECK_FALSE(is_valid({2, 1, ring}));
}

TEST_CASE("the memory that a geometry needs") {
    CHECK(region_needed({2, 1, 1024}) == 16384);
    CHECK(region_needed({2, 2, 1024}) == 16384);
    CHECK(region_needed({2, 3, 1024}) == 16384);
    CHECK(region_needed({2, 4, 1024}) == 24576);
    CHECK(region_needed({3, 1, 65536}) == 417792);
    // The largest numbers overflow no product.
    CHECK(region_needed({256, 1024, 268435456}) ==
          256 * (4096 + std::uint64_t{255} * 1024 * (256 + 268435456ULL)));
}

TEST_CASE("the largest rings that fit") {
    for (std::uint64_t region = 1U << 16U; region <= 1U << 28U; region *= 2) {
        for (const std::uint32_t slots : {2U, 4U, 16U}) {
            const region_geometry g = largest_rings(region, slots, 2);
            CHECK(is_valid(g));
            CHECK(g.slots == slots);
            CHECK(g.lanes == 2);
            if (g.ring_size > 1024)
                CHECK(region_needed(g) <= region);
            if (g.ring_size < 1024 * 1024)
                CHECK(region_needed({slots, 2, g.ring_size * 2}) > region);
        }
    }
    CHECK(largest_rings(std::uint64_t{1} << 40U, 2, 1).ring_size == 1024 * 1024);
    CHECK(largest_rings(0, 2, 1) == region_geometry{2, 1, 1024});
}
