// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A monitor on an event loop: checks that hold on any machine, with or without devices. Reports
// about devices are tested in guests.

#include "fixture.hpp"

#include <ivshmem/discovery.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <utility>

using namespace test;
namespace asio = boost::asio;
using asio::error::operation_aborted;
using ivshmem::device_change;
using ivshmem::errc;
using ivshmem::asio::device_monitor;

namespace {

/// A monitor that has reported all present devices.
ivshmem::device_monitor quiet() {
    auto monitor = ivshmem::device_monitor::open();
    while (monitor.next()) {
    }
    return monitor;
}

struct monitor_fixture {
    void run() {
        io.restart();
        io.run_for(std::chrono::seconds{30});
        CHECK(io.stopped());
    }

    deadline limit;
    asio::io_context io;
    completion_of<device_change> got;
};

} // namespace

TEST_CASE("the present devices are reported, in order") {
    monitor_fixture f;
    const auto there = ivshmem::discover().devices;
    device_monitor monitor{f.io, ivshmem::device_monitor::open()};
    for (const auto& device : there) {
        monitor.async_next(f.got.handler());
        f.run();
        CHECK_FALSE(f.got.ec);
        CHECK(f.got.value.type == device_change::kind::added);
        CHECK(f.got.value.device == device);
    }
    f.got = {};
    monitor.async_next(f.got.handler());
    f.io.restart();
    f.io.poll();
    CHECK(f.got.calls == 0);
    monitor.cancel();
    f.run();
    CHECK(f.got.ec == operation_aborted);
}

TEST_CASE("one read is cancelled through its cancellation slot, and the next one waits again") {
    monitor_fixture f;
    device_monitor monitor{f.io, quiet()};
    const auto type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                               asio::cancellation_type::total);
    asio::cancellation_signal signal;
    monitor.async_next(asio::bind_cancellation_slot(signal.slot(), f.got.handler()));
    f.io.poll();
    CHECK(f.got.calls == 0);
    signal.emit(type);
    f.run();
    CHECK(f.got.calls == 1);
    CHECK(f.got.ec == operation_aborted);
    completion_of<device_change> next;
    monitor.async_next(next.handler());
    f.io.restart();
    f.io.poll();
    CHECK(next.calls == 0);
    CHECK(monitor.is_open());
    monitor.close();
    f.run();
    CHECK(next.ec == operation_aborted);
}

TEST_CASE("cancel(), close(), destruction and another monitor abort the operations under way") {
    monitor_fixture f;
    auto monitor = std::make_unique<device_monitor>(f.io, quiet());
    monitor->async_next(f.got.handler());
    f.io.poll();
    SECTION("cancel()") {
        monitor->cancel();
        CHECK(monitor->is_open());
    }
    SECTION("close()") {
        monitor->close();
        CHECK_FALSE(monitor->is_open());
    }
    SECTION("destruction") {
        monitor.reset();
    }
    SECTION("another monitor") {
        monitor->open(quiet());
        CHECK(monitor->is_open());
    }
    SECTION("assignment") {
        *monitor = device_monitor{f.io, quiet()};
    }
    CHECK(f.got.calls == 0);
    f.run();
    CHECK(f.got.calls == 1);
    CHECK(f.got.ec == operation_aborted);
}

TEST_CASE("a read continues when its object is moved") {
    monitor_fixture f;
    device_monitor monitor{f.io, quiet()};
    monitor.async_next(f.got.handler());
    device_monitor moved{std::move(monitor)};
    f.io.poll();
    CHECK(f.got.calls == 0);
    moved.cancel();
    f.run();
    CHECK(f.got.ec == operation_aborted);
}

TEST_CASE("without an open monitor a read completes with errc::closed, later") {
    monitor_fixture f;
    device_monitor monitor{f.io};
    SECTION("never opened") {}
    SECTION("closed") {
        monitor.open(quiet());
        monitor.close();
    }
    SECTION("made from a closed one") {
        std::error_code ec;
        monitor.open(ivshmem::device_monitor{}, ec);
        CHECK(ec == errc::closed);
        CHECK_THROWS_AS(monitor.open(ivshmem::device_monitor{}), ivshmem::error);
        CHECK_THROWS_AS((device_monitor{f.io, ivshmem::device_monitor{}}), ivshmem::error);
    }
    CHECK_FALSE(monitor.is_open());
    monitor.async_next(f.got.handler());
    CHECK(f.got.calls == 0);
    f.run();
    CHECK(f.got.calls == 1);
    CHECK(f.got.ec == errc::closed);
}

TEST_CASE("a default completion token, and a coroutine that owns its monitor") {
    monitor_fixture f;
    using token = asio::as_tuple_t<asio::use_awaitable_t<>>;
    using monitor_type = token::as_default_on_t<device_monitor>;
    bool ended = false;
    asio::cancellation_signal signal;
    asio::co_spawn(
        f.io,
        [&]() -> asio::awaitable<void> {
            monitor_type monitor{co_await asio::this_coro::executor, quiet()};
            const auto [ec, change] = co_await monitor.async_next();
            CHECK(ec == operation_aborted);
            ended = true;
        },
        asio::bind_cancellation_slot(signal.slot(), asio::detached));
    f.io.poll();
    CHECK_FALSE(ended);
    signal.emit(asio::cancellation_type::terminal);
    f.run();
    CHECK(ended);
}

TEST_CASE("a monitor leaves nothing behind if its event loop ends first") {
    const auto token = std::make_shared<int>(0); // shared with the handler
    {
        asio::io_context io;
        device_monitor monitor{io, quiet()};
        monitor.async_next(
            [token](error_code, const device_change&) { FAIL("the handler was called"); });
        io.poll();
    }
    CHECK(token.use_count() == 1);
}
