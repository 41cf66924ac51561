// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Services by name.

#include "fixture.hpp"

#include <set>

using namespace test;

namespace {

std::error_code refused(slot& at, std::string_view name) {
    std::error_code ec;
    CHECK(at.offer(name, ec) == 0);
    CHECK_THROWS_AS(at.offer(name), ivshmem::error);
    return ec;
}

std::error_code not_found(const slot& from, std::string_view name,
                          std::optional<std::uint32_t> in = {}) {
    std::error_code ec;
    CHECK(from.find_service(name, in, ec).key == 0);
    CHECK_THROWS_AS(from.find_service(name, in), ivshmem::error);
    return ec;
}

} // namespace

TEST_CASE("a service that is offered is found, until it is withdrawn") {
    two_peers peers;
    CHECK(not_found(peers.at_b, "clock") == errc::service_unknown);
    const auto key = peers.at_a.offer("clock");
    CHECK(key != 0);
    const auto found = peers.at_b.find_service("clock");
    CHECK(found.slot == 0);
    CHECK(found.key == key);
    CHECK(peers.at_b.find_service("clock", 0).key == key);
    CHECK(not_found(peers.at_b, "clock", 1) == errc::slot_out_of_range); // the own slot
    CHECK(not_found(peers.at_b, "clock", 2) == errc::slot_out_of_range);
    CHECK(not_found(peers.at_b, "cloc") == errc::service_unknown);
    CHECK(not_found(peers.at_b, "clocks") == errc::service_unknown);
    CHECK(not_found(peers.at_a, "clock") == errc::service_unknown); // it is one's own
    CHECK(refused(peers.at_a, "clock") == errc::service_exists);
    peers.at_a.withdraw(key + 1);
    peers.at_a.withdraw(0);
    CHECK(peers.at_b.find_service("clock").key == key);
    peers.at_a.withdraw(key);
    CHECK(not_found(peers.at_b, "clock") == errc::service_unknown);
    CHECK(peers.at_a.offer("clock") != key);
    peers.at_a.close();
    CHECK(not_found(peers.at_b, "clock") == errc::service_unknown);
}

TEST_CASE("a directory is full with 32 services") {
    two_peers peers;
    std::set<std::uint32_t> keys;
    for (int i = 0; i < 32; ++i)
        keys.insert(peers.at_a.offer("service " + std::to_string(i)));
    CHECK(keys.size() == 32);
    CHECK(refused(peers.at_a, "one more") == errc::directory_full);
    CHECK(peers.at_b.find_service("service 31").slot == 0);
    peers.at_a.withdraw(*keys.begin());
    CHECK(keys.insert(peers.at_a.offer("one more")).second);
}

TEST_CASE("names that a service may have") {
    two_peers peers;
    const std::string longest(59, 'n');
    CHECK(peers.at_a.offer(longest) != 0);
    CHECK(peers.at_b.find_service(longest).key != 0);
    CHECK(peers.at_a.offer("gr\xc3\xbc\xc3\x9f"
                           "e") != 0);
    for (const auto& wrong : {std::string{}, longest + "n", std::string{"a\nb"},
                              std::string{"a\0b", 3}, std::string{"\x7f"}}) {
        CHECK(refused(peers.at_a, wrong) == errc::bad_service_name);
        CHECK(not_found(peers.at_b, wrong) == errc::bad_service_name);
    }
}

TEST_CASE("a slot that is closed offers and finds nothing") {
    slot none;
    std::error_code ec;
    CHECK(refused(none, "x") == errc::closed);
    CHECK(not_found(none, "x") == errc::closed);
    none.withdraw(1);
    CHECK_FALSE(none.find_holder(0, ec).has_value());
    CHECK(ec == errc::closed);
    none.answer_claims(ec);
    CHECK(ec == errc::closed);
}
