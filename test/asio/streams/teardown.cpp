// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The executor, allocator and cancellation slot of the handler of Beast's teardown.

#include "helpers/catch.hpp"
#include "helpers/failing.hpp"

#include <ivshmem/asio/beast.hpp>

#include <new>

using namespace test;

namespace {

/// Ends a stream with a handler whose step fails.
/// @return Whether the handler had that step.
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

TEST_CASE("tearing down a stream uses the handler's executor and allocator") {
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
