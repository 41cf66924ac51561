// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// "Claiming a slot": the peer keeps its own.

#include "common/print.hpp"
#include "conformance/lane.hpp"

#include <chrono>

namespace ivshmemctl::conformance {
namespace {

/// Writes back what the peer should have.
struct own_word {
    words header;
    std::size_t word;
    std::uint32_t value;

    ~own_word() {
        if (header.look(word) != value)
            header.publish(word, value);
    }
};

void check_claim(other_side& side) {
    using clock = std::chrono::steady_clock;
    const own_word at_end{side.theirs(), in_header::claim, side.peer_incarnation()};
    const auto start = clock::now();
    side.theirs().publish(in_header::claim, side.peer_incarnation() ^ 0x5555U);
    side.ring();
    const bool answered =
        side.wait([&] { return side.theirs().look(in_header::claim) == side.peer_incarnation(); });
    const auto after = std::chrono::duration_cast<milliseconds>(clock::now() - start);
    require(answered, "no answer " + side.in_time(), "the incarnation in claim again");
    require(after <= side.how().claim_time, tools::format("an answer after {} ms", after.count()),
            tools::format("within the claim time, {} ms", side.how().claim_time.count()));
}

void check_incarnation(other_side& side) {
    lane x{side};
    x.connect();
    x.echo(pattern(8));
    const own_word at_end{side.theirs(), in_header::incarnation, side.peer_incarnation()};
    side.theirs().publish(in_header::incarnation, 0);
    // Also its attention means nothing now.
    side.ring(side.theirs().look(in_header::attention) & 0xffffU);
    require(side.wait([&] {
        return side.theirs().look(in_header::incarnation) == side.peer_incarnation();
    }),
            "incarnation 0 " + side.in_time(), "the peer writes it again");
    x.echo(pattern(16));
}

constexpr rule claims[] = {
    {"C1", "a claim of the slot is answered in the claim time", check_claim},
    {"C2", "an incarnation that no claim has overwritten is written again", check_incarnation},
    {"V1", "the differences on ivshmem-v2", nullptr, "this device is not ivshmem-v2"},
};

} // namespace

std::span<const rule> claim_rules() {
    return claims;
}

} // namespace ivshmemctl::conformance
