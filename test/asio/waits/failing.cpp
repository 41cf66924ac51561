// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Waits for interrupts and events whose Nth step fails, for all N and every way to
// fail: the wait behind it gets what there is.

#include "helpers/failing.hpp"

#include "fixture.hpp"

#include <functional>
#include <utility>

using namespace test;
using ivshmem::asio::any_interrupt;
using ivshmem::asio::device_events;
using ivshmem::asio::interrupt;

namespace {

/// Plays two waits on one object, of which a step of the first fails.
/// @return Whether there was such a step.
template <typename Start, typename Happen>
bool play(net::io_context& io, failing how, int step, Start&& start, Happen&& happen) {
    countdown failing_steps{how, step};
    countdown good_steps{how, -1};
    good_steps.fired = true;
    ending first;
    ending second;
    start_failing([&] { start(failing_handler{io, failing_steps, first, ""}); });
    start(failing_handler{io, good_steps, second, ""});
    for (int round = 0; round < 10 && !second.called; ++round) {
        happen();
        for (int i = 0; i < 20 && !second.called; ++i)
            start_failing([&] {
                io.restart();
                io.run_one_for(std::chrono::milliseconds{10});
            });
    }
    CHECK(second.called);
    CHECK(run_through_failures(io, [&] {
        if (!first.alive.expired())
            happen();
        return first.alive.expired();
    }));
    CHECK_FALSE(second.ec);
    if (first.called && first.ec)
        CHECK(first.ec == boost::asio::error::operation_aborted);
    return failing_steps.fired;
}

template <typename Start, typename Happen>
void play_all(net::io_context& io, failing how, Start&& start, Happen&& happen) {
    int step = 0;
    for (; step < 50; ++step) {
        INFO("step " << step);
        if (!play(io, how, how == failing::called ? -1 : step, start, happen))
            break;
        if (how == failing::called && step == 2)
            break;
    }
    CHECK(step > 0);
    CHECK(step < 50);
    io.restart();
    CHECK(io.run_for(std::chrono::milliseconds{20}) < 50);
}

} // namespace

TEST_CASE("a wait goes on after another one whose Nth step failed") {
    asio_fixture f;
    const failing how = GENERATE(from_range(std::begin(every_way), std::end(every_way)));
    INFO(how);
    const auto ring = [&] {
        f.ring();
    };
    SECTION("interrupt") {
        interrupt irq{f.io, f.s.dev, 0};
        play_all(
            f.io, how, [&](auto handler) { irq.async_wait(std::move(handler)); }, ring);
    }
    SECTION("any_interrupt") {
        any_interrupt irq{f.io, f.s.dev};
        play_all(
            f.io, how, [&](auto handler) { irq.async_wait(std::move(handler)); }, ring);
    }
    SECTION("device_events") {
        device_events events{f.io, f.s.dev};
        std::uint16_t id = 10;
        play_all(
            f.io, how, [&](auto handler) { events.async_next(std::move(handler)); },
            [&] { join(f.s.side.link, ++id, make_eventfds(2)); });
    }
}
