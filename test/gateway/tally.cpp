// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "tally.hpp"

#include "helpers/catch.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

using namespace ivshmem_gateway;

namespace {

/// A tally, and the lines that it wrote.
struct written {
    boost::asio::io_context io{1};
    std::vector<std::string> lines{};
    std::optional<tally> of{std::in_place, io.get_executor(),
                            [this](const std::string& what, std::uint64_t times) {
                                lines.push_back(what + " " + std::to_string(times));
                            }};
};

} // namespace

TEST_CASE("the first line is written at once, and others are counted") {
    written w;
    w.of->count("a");
    CHECK(w.lines == std::vector<std::string>{"a 1"});
    for (int i = 0; i < 1000; ++i) {
        w.of->count("a");
        w.of->count("b", 2);
    }
    CHECK(w.lines.size() == 1);
    w.of->report();
    CHECK(w.lines == std::vector<std::string>{"a 1", "a 1000", "b 2000"});
    w.of->report();
    CHECK(w.lines.size() == 3);
}

TEST_CASE("a number of kinds has lines of their own") {
    written w;
    w.of->count("first");
    for (int i = 0; i < 1000; ++i)
        w.of->count("kind " + std::to_string(i));
    w.of->count("kind 0"); // it has its line
    w.lines.clear();
    w.of->report();
    REQUIRE(w.lines.size() == 65);
    CHECK(w.lines[0] == "kind 0 2");
    CHECK(w.lines.back() == "others, which have no line of their own 936");
}

TEST_CASE("the end writes what was counted") {
    written w;
    w.of->count("a");
    w.of->count("b");
    w.of.reset();
    CHECK(w.lines == std::vector<std::string>{"a 1", "b 1"});
}
