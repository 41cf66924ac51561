// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Cancellation, and the lifetimes of devices, I/O objects and event loops.

#include "fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>

using namespace test;
namespace asio = boost::asio;
using asio::error::operation_aborted;
using ivshmem::errc;
using ivshmem::asio::any_interrupt;
using ivshmem::asio::device_events;
using ivshmem::asio::interrupt;

TEST_CASE("one wait is cancelled through its cancellation slot, and its rings stay") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    asio::cancellation_signal signal;
    completion cancelled;
    const auto type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                               asio::cancellation_type::total);
    irq.async_wait(asio::bind_cancellation_slot(signal.slot(), cancelled.handler()));
    f.io.poll();
    CHECK(cancelled.calls == 0);
    signal.emit(type);
    f.run();
    CHECK(cancelled.calls == 1);
    CHECK(cancelled.ec == operation_aborted);
    CHECK(cancelled.value == 0);
    completion next;
    irq.async_wait(next.handler());
    f.ring();
    f.run();
    CHECK_FALSE(next.ec);
    CHECK(next.value == 1);
}

TEST_CASE("cancel(), close() and destruction abort the operations under way") {
    asio_fixture f;
    auto irq = std::make_unique<interrupt>(f.io, f.s.dev, 0);
    auto any = std::make_unique<any_interrupt>(f.io, f.s.dev);
    auto events = std::make_unique<device_events>(f.io, f.s.dev);
    completion first;
    completion second;
    completion_of<ivshmem::interrupt_count> third;
    completion_of<ivshmem::event> fourth;
    irq->async_wait(first.handler());
    irq->async_wait(second.handler());
    any->async_wait(third.handler());
    events->async_next(fourth.handler());
    SECTION("cancel()") {
        irq->cancel();
        any->cancel();
        events->cancel();
        CHECK(irq->is_open());
    }
    SECTION("close()") {
        irq->close();
        any->close();
        events->close();
        CHECK_FALSE(irq->is_open());
    }
    SECTION("destruction") {
        irq.reset();
        any.reset();
        events.reset();
    }
    CHECK(first.calls + second.calls + third.calls + fourth.calls == 0);
    f.run();
    CHECK(first.ec == operation_aborted);
    CHECK(second.ec == operation_aborted);
    CHECK(third.ec == operation_aborted);
    CHECK(fourth.ec == operation_aborted);
    CHECK(first.calls + second.calls + third.calls + fourth.calls == 4);
}

TEST_CASE("a ring before the cancellation is not lost with the wait") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    completion aborted;
    irq.async_wait(aborted.handler());
    f.ring();
    SECTION("cancelled at once") {
        irq.cancel();
    }
    SECTION("cancelled between the wake-up and the handler") {
        // The reactor queues ready handlers behind this one, which is queued already.
        asio::post(f.io, [&] { asio::post(f.io, [&] { irq.cancel(); }); });
    }
    f.run();
    CHECK(aborted.calls == 1);
    completion next;
    irq.async_wait(next.handler());
    f.ring();
    f.run();
    CHECK(aborted.value + next.value == 2);
    CHECK((aborted.ec == operation_aborted) == (aborted.value == 0));
}

TEST_CASE("a wait is cancelled exactly between its wake-up and its handler") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    const bool close = GENERATE(false, true);
    // One ring wakes both waits; the handler of the first runs while that of the second is queued.
    completion killer;
    completion aborted;
    irq.async_wait([&](error_code, std::uint64_t) {
        ++killer.calls;
        f.ring();
        close ? irq.close() : irq.cancel();
    });
    irq.async_wait(aborted.handler());
    f.io.poll();
    f.ring();
    f.run();
    CHECK(killer.calls == 1);
    CHECK(aborted.calls == 1);
    CHECK(aborted.ec == operation_aborted);
    CHECK(f.s.dev.take(0) == 1);
}

TEST_CASE("a wait continues when its object or the device is moved") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    completion got;
    irq.async_wait(got.handler());
    interrupt moved{std::move(irq)};
    SECTION("constructed") {}
    SECTION("assigned, which ends the waits of the target") {
        interrupt target{f.io, f.s.dev, 1};
        completion ended;
        target.async_wait(ended.handler());
        target = std::move(moved);
        moved = std::move(target);
        f.io.poll();
        CHECK(ended.ec == operation_aborted);
        CHECK(got.calls == 0);
    }
    SECTION("the device") {
        ivshmem::device dev{std::move(f.s.dev)};
        f.s.dev = std::move(dev);
    }
    f.ring();
    f.run();
    CHECK_FALSE(got.ec);
    CHECK(got.value == 1);
    got = {};
    moved.async_wait(got.handler());
    f.ring();
    f.run();
    CHECK(got.value == 1);
}

TEST_CASE("a moved-from object keeps its executor and is not open") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    interrupt moved{f.io};
    SECTION("by construction") {
        interrupt other{std::move(irq)};
        moved = std::move(other);
    }
    SECTION("by assignment") {
        moved = std::move(irq);
    }
    CHECK(moved.is_open());
    CHECK_FALSE(irq.is_open()); // NOLINT(bugprone-use-after-move): tested
    CHECK(irq.get_executor() == moved.get_executor());
    irq.cancel();
    irq.close();
    completion got;
    irq.async_wait(got.handler());
    CHECK(got.calls == 0);
    f.run();
    CHECK(got.calls == 1);
    CHECK(got.ec == errc::closed);
    irq.open(f.s.dev, 1);
    irq.async_wait(got.handler());
    f.ring(1);
    f.run();
    CHECK_FALSE(got.ec);
    CHECK(got.value == 1);
}

TEST_CASE("waits on a closed device") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    completion got;
    f.ring();
    SECTION("before the wait") {
        f.s.dev.close();
        irq.async_wait(got.handler());
    }
    SECTION("between ring and handler") {
        irq.async_wait(got.handler());
        f.s.dev.close();
    }
    f.run();
    CHECK(got.calls == 1);
    CHECK(got.ec == errc::closed);
    CHECK_THROWS_AS((interrupt{f.io, f.s.dev, 0}), ivshmem::error);
}

TEST_CASE("a nonexistent vector: the constructor throws, a wait reports the same error later") {
    asio_fixture f;
    try {
        const interrupt irq{f.io, f.s.dev, 2};
        FAIL("it opened");
    } catch (const ivshmem::error& e) {
        CHECK(e.code() == errc::vector_out_of_range);
        CHECK(std::string{e.what()}.find(f.s.server.path()) != std::string::npos);
    }
    interrupt irq{f.io, f.s.dev, 0};
    completion aborted;
    irq.async_wait(aborted.handler());
    std::error_code ec;
    irq.open(f.s.dev, 2, ec);
    CHECK(ec == errc::vector_out_of_range);
    CHECK_FALSE(irq.is_open());
    completion got;
    irq.async_wait(got.handler());
    CHECK(got.calls == 0);
    f.run();
    CHECK(aborted.ec == operation_aborted);
    CHECK(got.calls == 1);
    CHECK(got.ec == errc::vector_out_of_range);
    irq.open(f.s.dev, 1);
    irq.async_wait(got.handler());
    f.ring(1);
    f.run();
    CHECK_FALSE(got.ec);
}

TEST_CASE("an event loop that ends first leaves nothing behind") {
    session s{{7, 2, {}}};
    const auto token = std::make_shared<int>(0); // shared with every handler
    {
        asio::io_context io;
        interrupt irq{io, s.dev, 0};
        irq.async_wait([token](error_code, std::uint64_t) { FAIL("the handler was called"); });
        any_interrupt any{io, s.dev};
        any.async_wait(
            [token](error_code, ivshmem::interrupt_count) { FAIL("the handler was called"); });
        // A coroutine that owns its object, as in real programs.
        asio::co_spawn(
            io,
            [&io, &s, token]() -> asio::awaitable<void> {
                interrupt own{io, s.dev, 1};
                co_await own.async_wait(asio::use_awaitable);
                FAIL("the coroutine continued");
            },
            asio::detached);
        io.poll();
        SECTION("stopped") {
            io.stop();
        }
        SECTION("with handlers queued") {
            s.dev.ring(7, 1);
        }
    }
    CHECK(token.use_count() == 1);
    s.dev.ring(7, 0);
    CHECK(s.dev.take(0) == 1);
}
