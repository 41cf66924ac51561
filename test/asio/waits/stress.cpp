// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Rings from several threads while the event loop waits: every ring is counted once.

#include "fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <functional>
#include <thread>

using namespace test;
namespace asio = boost::asio;
using ivshmem::asio::any_interrupt;
using ivshmem::asio::interrupt;

namespace {

constexpr std::uint64_t rings_each = 50'000;

/// Two threads that ring vectors 0 and 1.
std::vector<std::thread> ringers(asio_fixture& f) {
    std::vector<std::thread> threads;
    for (std::uint32_t vector = 0; vector < 2; ++vector)
        threads.emplace_back([&f, vector] {
            for (std::uint64_t i = 0; i < rings_each; ++i)
                f.ring(vector);
        });
    return threads;
}

} // namespace

TEST_CASE("one object per vector receives all rings of two threads") {
    asio_fixture f;
    interrupt zero{f.io, f.s.dev, 0};
    interrupt one{f.io, f.s.dev, 1};
    std::uint64_t heard = 0;
    std::function<void(interrupt&, std::uint64_t)> listen = [&](interrupt& irq,
                                                                std::uint64_t left) {
        irq.async_wait([&, left](error_code ec, std::uint64_t count) {
            REQUIRE_FALSE(ec);
            REQUIRE(count <= left);
            heard += count;
            if (count < left)
                listen(irq, left - count);
        });
    };
    listen(zero, rings_each);
    listen(one, rings_each);
    auto threads = ringers(f);
    f.run();
    for (auto& thread : threads)
        thread.join();
    CHECK(heard == 2 * rings_each);
}

TEST_CASE("one object for all vectors, on a loop that two threads run, receives all rings") {
    asio_fixture f;
    auto strand = asio::make_strand(f.io);
    ivshmem::asio::basic_any_interrupt<decltype(strand)> any{strand, f.s.dev};
    std::uint64_t heard = 0;
    std::function<void()> listen = [&] {
        any.async_wait([&](error_code ec, ivshmem::interrupt_count got) {
            if (ec)
                return;
            heard += got.count;
            if (heard < 2 * rings_each)
                listen();
        });
    };
    asio::post(strand, listen);
    auto threads = ringers(f);
    std::thread second{[&] {
        f.io.run_for(std::chrono::seconds{30});
    }};
    f.io.run_for(std::chrono::seconds{30});
    second.join();
    for (auto& thread : threads)
        thread.join();
    CHECK(heard == 2 * rings_each);
}

TEST_CASE("waits that are cancelled all the time lose no ring") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    asio::cancellation_signal signal;
    std::uint64_t heard = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t turns = 0;
    // Cancels before the reactor looks, or after.
    std::function<void(std::uint64_t)> cancel_after = [&](std::uint64_t more) {
        asio::post(f.io, [&, more] {
            if (more != 0)
                cancel_after(more - 1);
            else if (turns % 2 == 0)
                signal.emit(asio::cancellation_type::total);
            else
                irq.cancel();
        });
    };
    std::function<void()> listen = [&] {
        irq.async_wait(
            asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, std::uint64_t count) {
                heard += count;
                if (ec == asio::error::operation_aborted)
                    ++cancelled;
                if (heard < rings_each)
                    listen();
            }));
        cancel_after(turns++ % 8);
    };
    listen();
    std::thread ringer{[&f] {
        for (std::uint64_t i = 0; i < rings_each; ++i)
            f.ring();
    }};
    f.run();
    ringer.join();
    CHECK(heard == rings_each);
    CHECK(cancelled > 0);
}
