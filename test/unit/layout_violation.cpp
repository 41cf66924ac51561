// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/catch.hpp"

#include <ivshmem/layout_violation.hpp>

using ivshmem::layout_violation;

TEST_CASE("violations are numbered as the layout has it, and named") {
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
    // Any byte may come from a peer.
    CHECK(to_string(static_cast<layout_violation>(77)) == "unknown");
}
