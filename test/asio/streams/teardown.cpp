// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// What is associated with the handler of Beast's teardown.

#include "helpers/catch.hpp"
#include "helpers/failing.hpp"

#include <ivshmem/asio/beast.hpp>

#include <new>

using namespace test;

namespace {

/// Ends a stream, with a handler of which one step fails.
/// @return Whether there was such a step.
bool tear_down(failing how, int step, ending& end) {
    net::io_context io;
    ivshmem::asio::stream stream{io};
    countdown steps{how, step};
    start_failing([&] {
        async_teardown(boost::beast::role_type::server, stream,
                       failing_handler{io, steps, end, ""});
    });
    CHECK_FALSE(end.called); // never from within
    CHECK(run_through_failures(io, [&] { return end.alive.expired(); }));
    return steps.fired;
}

} // namespace

TEST_CASE("a stream that is torn down keeps what is associated with the handler") {
    ending end;
    SECTION("nothing fails") {
        CHECK_FALSE(tear_down(failing::dropped, -1, end));
        CHECK(end.called);
        CHECK_FALSE(end.ec);
    }
    SECTION("the executor is the handler's") {
        CHECK(tear_down(failing::dropped, 0, end));
        CHECK_FALSE(end.called);
    }
    SECTION("the allocator is the handler's") {
        CHECK(tear_down(failing::out_of_memory, 0, end));
        CHECK_FALSE(end.called);
    }
}
