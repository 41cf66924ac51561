// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Completion tokens, executors and allocators of the operations on channels.

#include "helpers/two_peers.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>

#include <span>
#include <thread>

using namespace test;

namespace {

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

/// A number that can be moved, but not copied.
struct movable_number {
    explicit movable_number(int value) : number{value} {}
    movable_number(movable_number&&) = default;
    int number;
};

const std::string text = "text";

} // namespace

TEST_CASE("no handler is called inside the function that starts its operation") {
    auto p = two_peers().start();
    p.open();
    p.connect();
    p.b.next_layer().try_send(std::as_bytes(std::span{text}));
    std::string into(10, '\0');
    int inside = 0;
    int calls = 0;
    const auto handler = [&](error_code ec, auto...) {
        CHECK_FALSE(ec);
        CHECK(inside == 0);
        ++calls;
    };
    ivshmem::asio::acceptor acceptor{*p.left.slot, "service"};
    net::post(p.io, [&] { // dispatch() would call at once here
        ++inside;
        p.a.async_connect(handler);
        p.a.async_next_event(handler);
        p.a.async_wait(handler);
        p.a.async_receive(net::buffer(into), handler);
        p.a.async_drain(handler);
        p.a.async_send(net::buffer(text), handler);
        acceptor.async_accept([&](error_code ec, const channel&) { handler(ec); });
        ivshmem::asio::async_connect(*p.right.slot, "service",
                                     [&](error_code ec, const channel&) { handler(ec); });
        --inside;
    });
    CHECK(run_until(p.io, [&] { return calls == 8; }));
}

TEST_CASE("handlers and their values need only be movable") {
    auto p = two_peers().start();
    p.open();
    std::string into(10, '\0');
    int sum = 0;
    const auto movable = [&](int value) {
        return [&sum, held = movable_number{value}](error_code ec, auto...) {
            CHECK_FALSE(ec);
            sum += held.number;
        };
    };
    p.a.async_connect(movable(1));
    p.a.async_receive(net::buffer(into), movable(10));
    p.b.async_send(net::buffer(text), movable(100));
    p.b.async_drain(movable(1000));
    p.b.async_next_event(movable(10000));
    CHECK(run_until(p.io, [&] { return sum == 11111; }));
}

TEST_CASE("use_future, with another thread that runs the loop") {
    auto p = two_peers().start();
    p.open();
    auto guard = net::make_work_guard(p.io);
    p.io.restart();
    std::thread runner{[&] {
        p.io.run();
    }};
    // A channel is not thread-safe, so each operation begins on the thread that runs the loop.
    const auto on_loop = [&](auto start) {
        return net::post(p.io, net::use_future(start)).get().get();
    };
    std::string into(10, '\0');
    for (int i = 0; i < 100; ++i) {
        const std::size_t sent =
            on_loop([&] { return p.a.async_send(net::buffer(text), net::use_future); });
        const std::size_t got =
            on_loop([&] { return p.b.async_receive(net::buffer(into), net::use_future); });
        CHECK(sent == 4);
        CHECK(got == 4);
    }
    on_loop([&] { return p.a.async_drain(net::use_future); });
    CHECK_THROWS_AS(on_loop([&] {
                        p.a.close();
                        return p.a.async_drain(net::use_future);
                    }),
                    boost::system::system_error);
    guard.reset();
    p.io.stop();
    runner.join();
}

TEST_CASE("coroutines: use_awaitable, as_tuple, redirect_error, deferred") {
    auto p = two_peers().start();
    p.open();
    run_all(p.io, [&]() -> net::awaitable<void> {
        std::string into(10, '\0');
        co_await p.a.async_connect(net::use_awaitable);
        const std::size_t sent = co_await p.a.async_send(net::buffer(text), net::use_awaitable);
        CHECK(sent == 4);
        const auto [ec, got] =
            co_await p.b.async_receive(net::buffer(into), net::as_tuple(net::use_awaitable));
        CHECK_FALSE(ec);
        CHECK(got == 4);
        error_code failed;
        const net::mutable_buffer small{into.data(), 1};
        co_await p.a.async_send(net::buffer(text), net::use_awaitable);
        co_await p.b.async_receive(small, net::redirect_error(net::use_awaitable, failed));
        CHECK(failed == errc::buffer_too_small);
        auto later = p.b.async_receive(net::buffer(into), net::deferred);
        const std::size_t deferred = co_await std::move(later)(net::use_awaitable);
        CHECK(deferred == 4);
        bool thrown = false;
        try {
            p.b.close();
            co_await p.b.async_receive(net::buffer(into), net::use_awaitable);
        } catch (const boost::system::system_error& e) {
            thrown = e.code() == errc::closed;
        }
        CHECK(thrown);
    });
}

TEST_CASE("a deferred operation does nothing until it is started") {
    auto p = two_peers().start();
    p.open();
    p.connect();
    p.b.next_layer().try_send(std::as_bytes(std::span{text}));
    std::string into(10, '\0');
    {
        auto never = p.a.async_receive(net::buffer(into), net::deferred);
        auto unstarted = ivshmem::asio::async_connect(*p.left.slot, "service", net::deferred);
        static_cast<void>(never);
        static_cast<void>(unstarted);
    }
    auto later = p.a.async_receive(net::buffer(into), net::deferred);
    p.a.cancel(); // an operation that was not started cannot be cancelled
    completion got;
    std::move(later)(got.handler());
    CHECK(run_until(p.io, [&] { return got.done(); }));
    CHECK(got.value == 4);
}

TEST_CASE("default completion tokens, and detached") {
    auto p = two_peers().start();
    p.open();
    using executor = net::use_awaitable_t<>::executor_with_default<net::any_io_executor>;
    ivshmem::device device = open_device(p.socket());
    p.right.slot.reset();
    p.b = channel{p.io};
    ivshmem::asio::basic_slot<executor> slot{executor{p.io.get_executor()}, device,
                                             slot_with(1, p.geometry)};
    channel::rebind_executor<executor>::other b{slot, 0, 0};
    run_all(p.io, [&]() -> net::awaitable<void> {
        std::string into(10, '\0');
        p.a.async_send(net::buffer(text), net::detached);
        const std::size_t got = co_await b.async_receive(net::buffer(into));
        CHECK(got == 4);
        co_await b.async_drain();
    });
}

TEST_CASE("handlers run on their own executor, even those that fail at once") {
    auto p = two_peers().start();
    p.open();
    p.connect();
    const auto strand = net::make_strand(p.io);
    unsigned on_strand = 0;
    const auto bound = [&] {
        return net::bind_executor(strand, [&](error_code, auto...) {
            on_strand += strand.running_in_this_thread() ? 1 : 100;
        });
    };
    std::string into(10, '\0');
    p.b.async_receive(net::buffer(into), bound());
    p.a.async_send(net::buffer(text), bound());
    p.a.async_drain(bound());
    CHECK(run_until(p.io, [&] { return on_strand == 3; }));
    p.a.async_receive(net::buffer(into), bound());
    p.a.close();
    p.a.async_receive(net::buffer(into), bound());
    CHECK(run_until(p.io, [&] { return on_strand == 5; }));
}

TEST_CASE("operations take their memory from the handler's allocator") {
    auto p = two_peers().start();
    p.open();
    p.connect();
    int allocations = 0;
    completion got;
    std::string into(10, '\0');
    const counting_allocator<std::byte> allocator{allocations};
    p.b.async_receive(net::buffer(into), net::bind_allocator(allocator, got.handler()));
    CHECK(allocations > 0);
    p.a.async_send(net::buffer(text), net::detached);
    CHECK(run_until(p.io, [&] { return got.done(); }));
    CHECK(got.value == 4);
}
