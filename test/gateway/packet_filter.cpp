// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "packet_filter.hpp"

#include "helpers/catch.hpp"

#include <cstddef>
#include <initializer_list>
#include <span>
#include <vector>

namespace {

using ivshmem_gateway::packet_filter;

std::vector<std::byte> bytes_of(std::initializer_list<unsigned> values) {
    std::vector<std::byte> bytes;
    for (const unsigned each : values)
        bytes.push_back(static_cast<std::byte>(each));
    return bytes;
}

TEST_CASE("packet_filter passes packets on, however they are cut") {
    const auto stream = bytes_of({0xd0, 0, 0x30, 3, 1, 2, 3, 0x40, 0x81, 0, 9, 0xd0, 0});
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        packet_filter filter{5};
        CHECK(filter.take(std::span{stream}.first(cut)) == cut);
        CHECK(filter.take(std::span{stream}.subspan(cut)) == stream.size() - cut);
    }
}

TEST_CASE("packet_filter stops at a packet that is too long, malformed, or of a wrong type") {
    packet_filter filter{5};
    CHECK(filter.take(bytes_of({0x30, 4, 1, 2, 3, 4})) == 1);
    CHECK(filter.announced() == 4);
    packet_filter malformed{1U << 30U};
    CHECK(malformed.take(bytes_of({0x30, 0xff, 0xff, 0xff, 0xff, 1})) == 4);
    CHECK(malformed.announced() == 0);
    for (const unsigned type : {0x00U, 0x10U, 0x80U, 0xa0U, 0xc0U, 0xf0U}) {
        packet_filter wrong{5};
        CHECK(wrong.take(bytes_of({0xd0, 0, type, 0})) == 2);
        CHECK(wrong.announced() == 0);
    }
}

} // namespace
