// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/geometry.hpp"

#include "helpers/catch.hpp"

namespace {

constexpr std::uint64_t mebibyte = 1U << 20U;
constexpr std::uint32_t kibibyte = 1U << 10U;

} // namespace

TEST_CASE("memory is divided for many programs if the rings stay large") {
    // The numbers of connections.md.
    struct example {
        std::uint64_t memory;
        std::uint32_t slots;
        std::uint32_t ring;
    };
    for (const auto& [memory, slots, ring] : {example{256 * mebibyte, 16, 128 * kibibyte},
                                              {64 * mebibyte, 16, 32 * kibibyte},
                                              {32 * mebibyte, 8, 64 * kibibyte},
                                              {4 * mebibyte, 8, 8 * kibibyte}}) {
        CAPTURE(memory);
        const auto chosen = connections::recommended_geometry(memory);
        REQUIRE(chosen);
        CHECK(chosen->slots == slots);
        CHECK(chosen->lanes == 4);
        CHECK(chosen->ring_size == ring);
        // What is left is for topics.
        CHECK(ivshmem::region_needed(*chosen) <= memory - memory / 8);
    }
}

TEST_CASE("memory that is too small for it is left to the layout's own geometry") {
    CHECK_FALSE(connections::recommended_geometry(2 * mebibyte));
    CHECK_FALSE(connections::recommended_geometry(0));
}
