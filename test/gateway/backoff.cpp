// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backoff.hpp"

#include "helpers/catch.hpp"

#include <set>

using namespace ivshmem_gateway;
using namespace std::chrono_literals;

namespace {

/// Checks that the next time is between half of `most` and all of it.
void check_next(backoff& of, std::chrono::milliseconds most) {
    const auto next = of.next();
    CHECK(next >= most / 2);
    CHECK(next <= most);
}

} // namespace

TEST_CASE("the time between tries doubles up to its limit") {
    backoff b{1000ms, 200ms};
    for (int i = 0; i < 2; ++i) {
        for (const auto most : {200ms, 400ms, 800ms, 1000ms, 1000ms, 1000ms})
            check_next(b, most);
        b.reset();
    }
}

TEST_CASE("a limit below the first time") {
    backoff b{50ms, 200ms};
    for (int i = 0; i < 3; ++i)
        check_next(b, 50ms);
}

TEST_CASE("times are random, so that programs do not come back at once") {
    std::set<std::chrono::milliseconds> times;
    for (int i = 0; i < 100; ++i)
        times.insert(backoff{1h, 1h}.next());
    CHECK(times.size() > 1);
}

TEST_CASE("no number of tries overflows") {
    backoff b{24h};
    for (int i = 0; i < 200; ++i)
        CHECK(b.next() <= 24h);
    check_next(b, 24h);
}
