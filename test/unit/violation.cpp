// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/catch.hpp"

#include <ivshmem/violation.hpp>

using ivshmem::violation;

TEST_CASE("violations are numbered as the layout has it, and named") {
    CHECK(static_cast<int>(violation::record) == 1);
    CHECK(static_cast<int>(violation::total) == 2);
    CHECK(static_cast<int>(violation::limit) == 3);
    CHECK(static_cast<int>(violation::sequence) == 4);
    CHECK(static_cast<int>(violation::cursor) == 5);
    CHECK(to_string(violation::none) == "none");
    CHECK(to_string(violation::record) == "record");
    CHECK(to_string(violation::total) == "total");
    CHECK(to_string(violation::limit) == "limit");
    CHECK(to_string(violation::sequence) == "sequence");
    CHECK(to_string(violation::cursor) == "cursor");
    // Any byte may come from a peer.
    CHECK(to_string(static_cast<violation>(77)) == "unknown");
}
