// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Services by name.

#include "fixture.hpp"

#include <set>

using namespace test;
using ivshmem::service_directory;

namespace {

std::error_code refused(service_directory at, std::string_view name) {
    std::error_code ec;
    CHECK(at.offer(name, ec) == 0);
    CHECK_THROWS_AS(at.offer(name), ivshmem::error);
    return ec;
}

std::error_code not_found(const service_directory& from, std::string_view name,
                          std::optional<std::uint32_t> in = {}) {
    std::error_code ec;
    CHECK(from.find_service(name, in, ec).key == 0);
    CHECK_THROWS_AS(from.find_service(name, in), ivshmem::error);
    return ec;
}

} // namespace

TEST_CASE("an offered service is found until it is withdrawn") {
    two_holders peers;
    service_directory at_a{peers.at_a};
    const service_directory at_b{peers.at_b};
    CHECK(not_found(at_b, "clock") == errc::service_unknown);
    const auto key = at_a.offer("clock");
    CHECK(key != 0);
    const auto found = at_b.find_service("clock");
    CHECK(found.slot == 0);
    CHECK(found.key == key);
    CHECK(at_b.find_service("clock", 0).key == key);
    CHECK(not_found(at_b, "clock", 1) == errc::slot_out_of_range); // this side's own slot
    CHECK(not_found(at_b, "clock", 2) == errc::slot_out_of_range);
    CHECK(not_found(at_b, "cloc") == errc::service_unknown);
    CHECK(not_found(at_b, "clocks") == errc::service_unknown);
    CHECK(not_found(at_a, "clock") == errc::service_unknown); // its own service
    CHECK(refused(at_a, "clock") == errc::service_exists);
    at_a.withdraw(key + 1);
    at_a.withdraw(0);
    CHECK(at_b.find_service("clock").key == key);
    at_a.withdraw(key);
    CHECK(not_found(at_b, "clock") == errc::service_unknown);
    CHECK(at_a.offer("clock") != key);
    peers.at_a.close();
    CHECK(not_found(at_b, "clock") == errc::service_unknown);
}

TEST_CASE("a directory is full with 32 services") {
    two_holders peers;
    service_directory at_a{peers.at_a};
    const service_directory at_b{peers.at_b};
    std::set<std::uint32_t> keys;
    for (int i = 0; i < 32; ++i)
        keys.insert(at_a.offer("service " + std::to_string(i)));
    CHECK(keys.size() == 32);
    CHECK(refused(at_a, "one more") == errc::directory_full);
    CHECK(at_b.find_service("service 31").slot == 0);
    at_a.withdraw(*keys.begin());
    CHECK(keys.insert(at_a.offer("one more")).second);
}

TEST_CASE("valid and invalid names of services") {
    two_holders peers;
    service_directory at_a{peers.at_a};
    const service_directory at_b{peers.at_b};
    const std::string longest(59, 'n');
    CHECK(at_a.offer(longest) != 0);
    CHECK(at_b.find_service(longest).key != 0);
    CHECK(at_a.offer("gr\xc3\xbc\xc3\x9f"
                     "e") != 0);
    for (const auto& wrong : {std::string{}, longest + "n", std::string{"a\nb"},
                              std::string{"a\0b", 3}, std::string{"\x7f"}}) {
        CHECK(refused(at_a, wrong) == errc::bad_service_name);
        CHECK(not_found(at_b, wrong) == errc::bad_service_name);
    }
}

TEST_CASE("a closed slot offers and finds no service") {
    slot none;
    std::error_code ec;
    CHECK(refused(service_directory{none}, "x") == errc::closed);
    CHECK(not_found(service_directory{none}, "x") == errc::closed);
    service_directory{none}.withdraw(1);
    CHECK_FALSE(none.find_holder(0, ec).has_value());
    CHECK(ec == errc::closed);
    none.answer_claims(ec);
    CHECK(ec == errc::closed);
}
