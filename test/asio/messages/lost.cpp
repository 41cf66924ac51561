// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Doorbells that are lost, that come without a reason, or that do not come.

#include "helpers/two_peers.hpp"

#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <deque>
#include <span>
#include <thread>

#include <sys/resource.h>

using namespace test;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

std::string numbered(std::uint32_t number) {
    return std::to_string(number) + ":" + pattern(number % 700, number);
}

net::awaitable<void> send_numbered(channel& to, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::string text = numbered(i);
        co_await to.async_send(net::buffer(text), net::use_awaitable);
        if (i % 4 == 3) // so that both sides sleep sometimes
            co_await to.async_drain(net::use_awaitable);
    }
}

net::awaitable<void> expect_numbered(channel& from, std::uint32_t count) {
    std::string into(1000, '\0');
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::size_t size = co_await from.async_receive(net::buffer(into), net::use_awaitable);
        REQUIRE(into.substr(0, size) == numbered(i));
    }
}

/// Passes one message there and back repeatedly.
net::awaitable<void> play(channel& of, bool first, std::uint64_t& rounds) {
    std::string ball(64, 'b');
    for (;; first = true) {
        if (first)
            co_await of.async_send(net::buffer(ball), net::use_awaitable);
        const auto [ec, size] = co_await of.async_receive(net::buffer(ball), result);
        if (ec)
            break;
        CHECK(size == 64);
        ++rounds;
    }
    of.close();
}

long sleeps() {
    rusage used{};
    ::getrusage(RUSAGE_THREAD, &used);
    return used.ru_nvcsw;
}

} // namespace

TEST_CASE("all messages arrive in order, however many doorbells are lost") {
    const unsigned percent = GENERATE(0U, 1U, 50U, 100U);
    const std::uint32_t count = percent < 50 ? 8'000 : 400;
    ivshmem::asio::waiting_options waiting;
    waiting.spin = {};
    auto p = two_peers().with_lanes(1).with_rings(4096).waiting(waiting).lossy(percent).start();
    const auto rings_before = p.rings().forwarded();
    channel a = p.left.open(1, 0);
    channel b = p.right.open(0, 0);
    const auto begin = steady_clock::now();
    run_all(
        p.io, [&] { return send_numbered(a, count); }, [&] { return expect_numbered(b, count); },
        [&] { return send_numbered(b, count); }, [&] { return expect_numbered(a, count); });
    const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin);
    WARN(2 * count << " messages with " << percent << " % of doorbells lost: " << took.count()
                   << " ms, " << p.rings().forwarded() - rings_before << " rings came, "
                   << p.rings().lost() << " did not");
    CHECK((percent == 0) == (p.rings().lost() == 0));
    CHECK((percent == 100) == (p.rings().forwarded() == rings_before));
}

TEST_CASE("without doorbells a message takes a few recheck periods") {
    ivshmem::asio::waiting_options waiting;
    auto p = two_peers().with_lanes(1).with_rings(4096).waiting(waiting).lossy(100).start();
    channel a = p.left.open(1, 0);
    channel b = p.right.open(0, 0);
    std::uint64_t rounds = 0;
    std::uint64_t answers = 0;
    net::co_spawn(p.io, play(a, true, rounds), [](const std::exception_ptr&) {});
    net::co_spawn(p.io, play(b, false, answers), [](const std::exception_ptr&) {});
    CHECK(run_until(p.io, [&] { return rounds == 1; }));
    const auto begin = steady_clock::now();
    CHECK(run_until(p.io, [&] { return rounds == 51; }));
    const auto periods = (steady_clock::now() - begin) / 100 / std::chrono::duration<double>{1} /
                         std::chrono::duration<double>{waiting.recheck}.count();
    WARN("each message took " << periods << " recheck periods");
    CHECK(periods < 8);
}

TEST_CASE("a doorbell that is lost after a long silence is soon rung again") {
    auto p = two_peers().with_lanes(1).with_rings(4096).lossy(0).start();
    channel a = p.left.open(1, 0);
    channel b = p.right.open(0, 0);
    const auto pass = [&](channel& from, channel& to) {
        const std::string text = "text";
        std::string into(10, '\0');
        completion sent;
        completion got;
        to.async_receive(net::buffer(into), got.handler());
        p.io.restart();
        p.io.run_for(milliseconds{2000}); // silence
        const auto begin = steady_clock::now();
        from.async_send(net::buffer(text), sent.handler());
        CHECK(run_until(p.io, [&] { return sent.done() && got.done(); }));
        CHECK_FALSE(got.ec);
        return steady_clock::now() - begin;
    };
    pass(a, b); // doorbells do arrive
    p.rings().lose_next(1);
    CHECK(pass(a, b) < milliseconds{1000});
    CHECK(p.rings().lost() == 1);
}

TEST_CASE("a storm of doorbells leaves processor time for timers and other channels") {
    auto p = two_peers().with_lanes(2).with_rings(4096).lossy(0).start();
    channel a = p.left.open(1, 0);
    channel b = p.right.open(0, 0);
    channel idle = p.left.open(1, 1);
    std::string into(10, '\0');
    completion waiting;
    idle.async_receive(net::buffer(into), waiting.handler());
    std::uint64_t rounds = 0;
    std::uint64_t answers = 0;
    net::co_spawn(p.io, play(a, true, rounds), [](const std::exception_ptr&) {});
    net::co_spawn(p.io, play(b, false, answers), [](const std::exception_ptr&) {});
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> forged{0};
    std::thread storm{[&] {
        for (; !over; ++forged)
            p.rings().forge(0);
    }};
    unsigned ticks = 0;
    net::steady_timer timer{p.io};
    const std::function<void()> tick = [&] {
        timer.expires_after(milliseconds{4});
        timer.async_wait([&](error_code ec) {
            if (!ec && ++ticks > 0)
                tick();
        });
    };
    tick();
    p.io.restart();
    p.io.run_for(std::chrono::seconds{2});
    over = true;
    storm.join();
    WARN("in 2 s: " << forged << " rings without a reason, " << ticks << " ticks of 5 ms, "
                    << rounds << " rounds of a message");
    CHECK(forged > 10'000);
    CHECK(ticks > 20);
    CHECK(rounds > 100);
    CHECK(waiting.calls == 0);
}

TEST_CASE("channels that have nothing to do let the process sleep") {
    constexpr std::uint32_t count = 64;
    auto p = two_peers().with_lanes(count).with_rings(1024).lossy(0).start();
    std::deque<channel> channels;
    std::deque<std::string> buffers;
    unsigned received = 0;
    for (std::uint32_t i = 0; i < 2 * count; ++i) {
        auto& c = channels.emplace_back((i % 2 == 0 ? p.left : p.right).open(1 - i % 2, i / 2));
        auto& buffer = buffers.emplace_back(10, '\0');
        c.async_connect([&](error_code) {});
        // One message each, then no more.
        c.async_receive(net::buffer(buffer), [&](error_code, std::size_t) {
            ++received;
            c.async_receive(net::buffer(buffer), [](error_code ec, std::size_t) { CHECK(ec); });
        });
        const std::function<void()> watch = [&c] {
            c.async_next_event([&c](error_code, channel_event e) {
                CHECK(e.type == channel_event::kind::connected);
                c.async_next_event([](error_code ec, channel_event) { CHECK(ec); });
            });
        };
        watch();
    }
    for (auto& c : channels)
        c.async_send(net::buffer(std::string_view{"one"}), [](error_code, std::size_t) {});
    CHECK(run_until(p.io, [&] { return received == 2 * count; }));
    p.io.restart();
    p.io.run_for(std::chrono::seconds{4}); // the periods grow
    const long before = sleeps();
    p.io.restart();
    const auto handlers = p.io.run_for(std::chrono::seconds{4});
    const long woken = sleeps() - before;
    WARN(2 * count << " channels, 4 s: " << handlers << " handlers, woken up " << woken
                   << " times");
    CHECK(handlers <= 6); // 2 slots, a recheck in some seconds each
    CHECK(woken <= 20);   // also by the loop itself, each second
    channels.clear();
    p.io.restart();
    p.io.poll();
}
