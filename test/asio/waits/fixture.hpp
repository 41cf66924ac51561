// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "helpers/deadline.hpp"
#include "helpers/event_loop.hpp"
#include "helpers/fake_server.hpp"

#include <ivshmem/asio.hpp>

#include <chrono>

namespace test {

/// A device that rings itself, and an event loop.
struct asio_fixture {
    explicit asio_fixture(std::uint32_t vectors = 2) : s{{7, vectors, {}}} {}

    void ring(std::uint32_t vector = 0) { s.dev.ring(7, vector); }
    /// Runs the event loop until it has nothing left to do, or for a long time.
    void run() {
        io.restart();
        io.run_for(std::chrono::seconds{30});
        CHECK(io.stopped());
    }

    deadline limit;
    session s;
    boost::asio::io_context io;
};

} // namespace test
