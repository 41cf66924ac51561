// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Every style of completion token, executors and allocators.

#include "fixture.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <memory>
#include <thread>
#include <variant>

using namespace test;
namespace asio = boost::asio;
using ivshmem::errc;
using ivshmem::asio::any_interrupt;
using ivshmem::asio::device_events;
using ivshmem::asio::interrupt;

namespace {

/// Runs a coroutine to its end; an exception fails the test.
template <typename Body>
void co_run(asio_fixture& f, Body body) {
    bool ended = false;
    asio::co_spawn(f.io, std::move(body), [&](std::exception_ptr failed) {
        if (failed)
            std::rethrow_exception(failed);
        ended = true;
    });
    f.run();
    CHECK(ended);
}

template <typename T>
struct counting_allocator {
    using value_type = T;
    explicit counting_allocator(int& count) : count_{&count} {}
    template <typename U>
    counting_allocator(const counting_allocator<U>& other) : count_{other.count_} {} // NOLINT
    T* allocate(std::size_t n) {
        ++*count_;
        return std::allocator<T>{}.allocate(n);
    }
    void deallocate(T* p, std::size_t n) { std::allocator<T>{}.deallocate(p, n); }
    bool operator==(const counting_allocator&) const = default;
    int* count_;
};

} // namespace

TEST_CASE("a callback is called once, later, with the number of rings") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    completion got;
    SECTION("rung before") {
        f.ring();
    }
    irq.async_wait(got.handler());
    f.io.poll();
    f.io.restart();
    CHECK(got.calls <= 1);
    f.ring();
    f.ring();
    f.run();
    CHECK(got.calls == 1);
    CHECK_FALSE(got.ec);
    CHECK(got.value + f.s.dev.take(0) >= 2);
}

TEST_CASE("the handler is never called inside the initiating function") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    interrupt closed{f.io};
    any_interrupt any{f.io, f.s.dev};
    device_events none{f.io};
    f.ring();
    int inside = 0;
    int calls = 0;
    asio::post(f.io, [&] { // dispatch() would call at once here
        ++inside;
        irq.async_wait([&](error_code ec, std::uint64_t count) {
            CHECK(inside == 0);
            CHECK_FALSE(ec);
            CHECK(count == 1);
            f.ring(1); // for the other wait
            ++calls;
        });
        any.async_wait([&](error_code ec, ivshmem::interrupt_count count) {
            CHECK(inside == 0);
            CHECK_FALSE(ec);
            CHECK(count.vector == 1);
            ++calls;
        });
        closed.async_wait([&](error_code ec, std::uint64_t count) {
            CHECK(inside == 0);
            CHECK(ec == errc::closed);
            CHECK(count == 0);
            ++calls;
        });
        none.async_next([&](error_code ec, ivshmem::event) {
            CHECK(inside == 0);
            CHECK(ec == errc::closed);
            ++calls;
        });
        --inside;
    });
    f.run();
    CHECK(calls == 4);
}

TEST_CASE("use_future, with another thread that runs the loop") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    auto guard = asio::make_work_guard(f.io);
    std::thread runner{[&] {
        f.io.run();
    }};
    for (int i = 0; i < 100; ++i) {
        auto rings = irq.async_wait(asio::use_future);
        f.ring();
        CHECK(rings.get() == 1);
    }
    interrupt closed{f.io};
    CHECK_THROWS_AS(closed.async_wait(asio::use_future).get(), boost::system::system_error);
    guard.reset();
    runner.join();
}

TEST_CASE("coroutines: use_awaitable, as_tuple, redirect_error, deferred") {
    asio_fixture f;
    co_run(f, [&]() -> asio::awaitable<void> {
        interrupt irq{f.io, f.s.dev, 0};
        f.ring();
        const std::uint64_t rings = co_await irq.async_wait(asio::use_awaitable);
        CHECK(rings == 1);
        f.ring();
        const auto [ec, count] = co_await irq.async_wait(asio::as_tuple(asio::use_awaitable));
        CHECK_FALSE(ec);
        CHECK(count == 1);
        f.ring();
        auto later = irq.async_wait(asio::deferred);
        const std::uint64_t deferred = co_await std::move(later)(asio::use_awaitable);
        CHECK(deferred == 1);
        irq.close();
        error_code failed;
        co_await irq.async_wait(asio::redirect_error(asio::use_awaitable, failed));
        CHECK(failed == errc::closed);
        bool thrown = false;
        try {
            co_await irq.async_wait(asio::use_awaitable);
        } catch (const boost::system::system_error& e) {
            thrown = e.code() == errc::closed;
        }
        CHECK(thrown);
    });
}

TEST_CASE("an operation that is never started takes no rings") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    f.ring();
    {
        auto never = irq.async_wait(asio::deferred);
        static_cast<void>(never);
    }
    f.run();
    CHECK(f.s.dev.take(0) == 1);
}

TEST_CASE("a deferred operation begins when it is started; earlier cancellations do not count") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    auto later = irq.async_wait(asio::deferred);
    irq.cancel();
    f.ring();
    std::uint64_t taken = 0;
    error_code failed = asio::error::would_block;
    std::move(later)([&](error_code ec, std::uint64_t rings) {
        failed = ec;
        taken = rings;
    });
    f.run();
    CHECK_FALSE(failed);
    CHECK(taken == 1);
}

TEST_CASE("detached: no handler, but the rings are taken") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    f.ring();
    irq.async_wait(asio::detached);
    f.run();
    CHECK(f.s.dev.take(0) == 0);
}

TEST_CASE("default completion tokens") {
    asio_fixture f;
    using irq_type = asio::use_awaitable_t<>::as_default_on_t<interrupt>;
    using any_type = asio::as_tuple_t<asio::use_awaitable_t<>>::as_default_on_t<any_interrupt>;
    using event_type = asio::use_awaitable_t<>::as_default_on_t<device_events>;
    co_run(f, [&]() -> asio::awaitable<void> {
        irq_type irq{f.io, f.s.dev, 0};
        f.ring();
        const std::uint64_t rings = co_await irq.async_wait();
        CHECK(rings == 1);
        any_type any{f.io, f.s.dev};
        f.ring(1);
        const auto [ec, got] = co_await any.async_wait();
        CHECK_FALSE(ec);
        CHECK(got == ivshmem::interrupt_count{1, 1});
        event_type events{f.io, f.s.dev};
        f.s.side.link.close();
        const auto event = co_await events.async_next();
        CHECK(event.type == ivshmem::event::kind::server_gone);
    });
}

TEST_CASE("the first of two, by awaitable operators") {
    using namespace asio::experimental::awaitable_operators;
    asio_fixture f;
    co_run(f, [&]() -> asio::awaitable<void> {
        interrupt irq{f.io, f.s.dev, 0};
        asio::steady_timer timer{f.io, std::chrono::milliseconds{5}};
        const auto first =
            co_await (irq.async_wait(asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
        CHECK(first.index() == 1);
        f.ring();
        timer.expires_after(std::chrono::hours{1});
        const auto second =
            co_await (irq.async_wait(asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
        REQUIRE(second.index() == 0);
        CHECK(std::get<0>(second) == 1); // not lost with the cancelled wait
    });
}

TEST_CASE("the handler runs on its own executor, else on the object's") {
    asio_fixture f;
    auto strand = asio::make_strand(f.io);
    bool on_strand = false;
    const auto look = [&](error_code ec, std::uint64_t) {
        CHECK_FALSE(ec);
        on_strand = strand.running_in_this_thread();
    };
    SECTION("the object's") {
        ivshmem::asio::basic_interrupt<asio::strand<asio::io_context::executor_type>> irq{
            strand, f.s.dev, 0};
        f.ring();
        irq.async_wait(look);
        f.run();
        CHECK(on_strand);
    }
    SECTION("its own") {
        interrupt irq{f.io, f.s.dev, 0};
        f.ring();
        irq.async_wait(asio::bind_executor(strand, look));
        f.run();
        CHECK(on_strand);
    }
    SECTION("its own, for an error at once") {
        interrupt irq{f.io};
        irq.async_wait(asio::bind_executor(strand, [&](error_code ec, std::uint64_t) {
            CHECK(ec == errc::closed);
            on_strand = strand.running_in_this_thread();
        }));
        f.run();
        CHECK(on_strand);
    }
}

TEST_CASE("a wait takes its memory from the handler's allocator") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    int allocations = 0;
    completion got;
    irq.async_wait(asio::bind_allocator(counting_allocator<std::byte>{allocations}, got.handler()));
    CHECK(allocations > 0);
    f.ring();
    f.run();
    CHECK(got.value == 1);
}
