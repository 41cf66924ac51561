// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/catch.hpp"

#include <ivshmem/layout_violation.hpp>

using ivshmem::layout_violation;

TEST_CASE("violations have the numbers of the layout, and names") {
    CHECK(static_cast<int>(layout_violation::record) == 1);
    CHECK(static_cast<int>(layout_violation::total) == 2);
    CHECK(static_cast<int>(layout_violation::limit) == 3);
    CHECK(static_cast<int>(layout_violation::sequence) == 4);
    CHECK(static_cast<int>(layout_violation::cursor) == 5);
    CHECK(to_string(layout_violation::none) == "none");
    CHECK(to_string(layout_violation::record) == "record");
    CHECK(to_string(layout_violation::total) == "total");
    CHECK(to_string(layout_violation::limit) == "limit");
    CHECK(to_string(layout_violation::sequence) == "sequence");
    CHECK(to_string(layout_violation::cursor) == "cursor");
    // A peer may write any byte.
    CHECK(to_string(static_cast<layout_violation>(77)) == "unknown");
}
