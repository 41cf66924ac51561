// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Free slots, and slots that this process holds.

#include "fixture.hpp"
#include "helpers/deadline.hpp"

#include <ivshmem/slot_claim.hpp>

#include <algorithm>
#include <chrono>
#include <set>
#include <vector>

using namespace test;
using ivshmem::slot_claim;
using ivshmem::slot_options;

namespace {

slot_options of_four() {
    slot_options options;
    options.geometry = ivshmem::region_geometry{4, 1, 1024};
    return options;
}

} // namespace

TEST_CASE("claim_free() claims the lowest free slot") {
    const deadline limit;
    meeting server;
    const auto a = server.join(1);
    const auto b = server.join(2);
    const slot first = slot::claim_free(a, of_four());
    const slot second = slot::claim_free(b, of_four());
    slot third = slot::claim_free(b, of_four());
    const slot fourth = slot::claim_free(b); // with the geometry of the peers
    CHECK(first.number() == 0);
    CHECK(second.number() == 1);
    CHECK(third.number() == 2);
    CHECK(fourth.number() == 3);
    std::error_code ec;
    CHECK_FALSE(slot::claim_free(a, of_four(), ec).is_open());
    CHECK(ec == errc::no_free_slot);
    third.close();
    CHECK(slot::claim_free(a, of_four()).number() == 2);
    auto named = of_four();
    named.number = 2;
    CHECK_FALSE(slot::claim_free(a, named, ec).is_open());
    CHECK(ec == std::errc::invalid_argument);
}

TEST_CASE("claim_free() does not take the slot of a stopped holder") {
    const deadline limit;
    meeting server;
    const auto a = server.join(1);
    // The slot of another process, which does not answer.
    std::vector<std::byte> held;
    {
        const auto stopped = server.join(9);
        slot left = slot::claim_free(stopped, of_four());
        held.assign(server.memory().begin(), server.memory().end());
    }
    std::copy(held.begin(), held.end(), server.memory().begin());
    SECTION("and leaves its section unchanged") {
        CHECK(slot::claim_free(a, of_four()).number() == 1);
        CHECK(std::equal(held.begin(), held.begin() + 0x80, server.memory().begin()));
    }
    SECTION("unless the device knows that the holder is gone") {
        server.leave(9);
        CHECK(slot::claim_free(a, of_four()).number() == 0);
    }
}

TEST_CASE("peers that start together get different slots") {
    const deadline limit;
    meeting server;
    const auto device = server.join(1);
    std::vector<slot_claim> claims;
    for (int i = 0; i < 4; ++i)
        claims.emplace_back(device, of_four(), slot_claim::of::free_slot);
    std::set<std::uint32_t> numbers;
    std::vector<slot> slots;
    while (slots.size() < claims.size()) {
        bool waits = false;
        for (auto& claim : claims) {
            std::error_code ec;
            waits = claim.step(ec).count() != 0 || waits;
            REQUIRE_FALSE(ec);
            if (slot taken = claim.take(); taken.is_open()) {
                numbers.insert(taken.number());
                slots.push_back(std::move(taken));
            }
        }
        if (waits)
            std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    CHECK(numbers == std::set<std::uint32_t>{0, 1, 2, 3});
}

TEST_CASE("a process does not claim a slot again that it holds, on any device") {
    const deadline limit;
    meeting server;
    const auto a = server.join(1);
    const auto b = server.join(2);
    slot holder = claim(a, 0);
    auto again = GENERATE(0, 1);
    slot_options options;
    options.number = 0;
    options.geometry = two_slots;
    std::error_code ec;
    CHECK_FALSE(slot::claim(again == 0 ? a : b, options, ec).is_open());
    CHECK(ec == errc::slot_in_use);
    holder.answer_claims();
    holder.close();
    CHECK(slot::claim(again == 0 ? a : b, options).number() == 0);
}

TEST_CASE("a claim that is given up leaves the slot free") {
    meeting server;
    const auto a = server.join(1);
    std::error_code ec;
    {
        slot_claim given_up{a, of_four(), slot_claim::of::free_slot};
        CHECK(given_up.step(ec).count() != 0);
        CHECK_FALSE(given_up.take().is_open());
        slot_claim moved{std::move(given_up)};
        CHECK(given_up.step(ec).count() == 0); // NOLINT: its moved-from state is tested
        CHECK(ec == errc::closed);
    }
    CHECK(slot::claim_free(a, of_four()).number() == 0);
}
