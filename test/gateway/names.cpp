// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "names.hpp"

#include "helpers/catch.hpp"
#include "hostile_names.hpp"

#include <string>

using namespace ivshmem_gateway;

TEST_CASE("names that both sides accept") {
    for (const std::string name :
         {"a", "sensors/a", "a b/\xc3\xa4", "\xe2\x82\xac/\xf0\x9f\x98\x80", "a.b/..c/c..",
          "%2f/\\/'\"", "\xef\xbb\xbf"}) {
        CAPTURE(name);
        CHECK(topic_fault(name).empty());
        CHECK(mqtt_fault(name).empty());
        CHECK(filter_fault(name).empty());
    }
}

TEST_CASE("the longest names") {
    CHECK(topic_fault(std::string(59, 'a')).empty());
    CHECK_FALSE(topic_fault(std::string(60, 'a')).empty());
    CHECK(mqtt_fault(std::string(65535, 'a')).empty());
    CHECK_FALSE(mqtt_fault(std::string(65536, 'a')).empty());
    CHECK_FALSE(filter_fault(std::string(65536, 'a')).empty());
}

TEST_CASE("names that neither side accepts") {
    for (const auto& hostile : hostile_names()) {
        CAPTURE(hostile.why, hostile.name);
        CHECK_FALSE(topic_fault(hostile.name).empty());
        CHECK_FALSE(mqtt_fault(hostile.name).empty());
    }
}

TEST_CASE("filters") {
    for (const std::string good : {"#", "+", "a/#", "+/a/+", "a/+/b/#"}) {
        CAPTURE(good);
        CHECK(filter_fault(good).empty());
    }
    for (const std::string bad : {"", "/", "a/", "/a", "a//b", "#/a", "a#", "a+/b", "$SYS/#",
                                  "a/$b", "$share/g/a", "a/*", "a/\x01", "a/\xff", "../#"}) {
        CAPTURE(bad);
        CHECK_FALSE(filter_fault(bad).empty());
    }
}
