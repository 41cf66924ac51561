// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The ends of streams: in order, in the middle, and by the side that waits.

#include "helpers/two_peers.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>

using namespace test;
using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;
using ivshmem::errc;

namespace {

net::awaitable<void> a_while(std::chrono::milliseconds time = 20ms) {
    net::steady_timer timer{co_await net::this_coro::executor, time};
    co_await timer.async_wait(net::use_awaitable);
}

/// Two streams that are connected.
struct connected : started_peers {
    explicit connected(std::uint32_t ring_size = 64 * 1024)
        : started_peers{two_peers().with_rings(ring_size)}, a{left.stream()}, b{right.stream()} {
        run([this]() -> net::awaitable<void> { co_await a.async_connect(net::use_awaitable); },
            [this]() -> net::awaitable<void> { co_await b.async_connect(net::use_awaitable); });
    }

    ivshmem::asio::stream a;
    ivshmem::asio::stream b;
};

} // namespace

TEST_CASE(
    "after shutdown all bytes are read, then eof every time; the other direction stays open") {
    connected c;
    const std::string sent = pattern(1000);
    c.run([&]() -> net::awaitable<void> {
        co_await net::async_write(c.a, net::buffer(sent), net::use_awaitable);
        c.a.shutdown();
        std::string got(2000, '\0');
        const auto [ec, size] = co_await net::async_read(c.b, net::buffer(got), result);
        CHECK(ec == net::error::eof);
        CHECK(got.substr(0, size) == sent);
        const auto [again, none] = co_await c.b.async_read_some(net::buffer(got), result);
        CHECK(again == net::error::eof);
        CHECK(none == 0);
        co_await net::async_write(c.b, net::buffer("back", 4), net::use_awaitable);
        const auto back = co_await c.a.async_read_some(net::buffer(got), net::use_awaitable);
        CHECK(got.substr(0, back) == "back");
        const auto [late, unsent] = co_await c.a.async_write_some(net::buffer("x", 1), result);
        CHECK(late);
        CHECK(unsent == 0);
    });
}

TEST_CASE("a waiting read sees the eof, and a waiting write the broken pipe") {
    connected c{1024};
    const bool destroy = GENERATE(false, true);
    c.run(
        [&]() -> net::awaitable<void> {
            std::array<char, 8> got{};
            const auto [ec, size] = co_await c.a.async_read_some(net::buffer(got), result);
            CHECK(ec == net::error::eof);
            CHECK(size == 0);
        },
        [&]() -> net::awaitable<void> {
            const std::string much = pattern(100'000);
            const auto [ec, size] = co_await net::async_write(c.a, net::buffer(much), result);
            CHECK(ec == net::error::broken_pipe);
            CHECK(size < much.size());
        },
        [&]() -> net::awaitable<void> {
            co_await a_while();
            if (destroy)
                const auto gone = std::move(c.b);
            else
                c.b.close();
        });
}

TEST_CASE("the stream continues after a read and a write are cancelled in the middle") {
    connected c{1024};
    const std::string sent = pattern(100'000);
    std::string got(sent.size(), '\0');
    c.run([&]() -> net::awaitable<void> {
        net::cancellation_signal stop_write;
        net::cancellation_signal stop_read;
        std::optional<std::pair<error_code, std::size_t>> wrote;
        std::optional<std::pair<error_code, std::size_t>> read;
        net::async_write(c.a, net::buffer(sent),
                         net::bind_cancellation_slot(stop_write.slot(), [&](auto ec, auto size) {
                             wrote = {ec, size};
                         }));
        net::async_read(c.b, net::buffer(got.data(), 300),
                        net::bind_cancellation_slot(stop_read.slot(), [&](auto ec, auto size) {
                            read = {ec, size};
                        }));
        co_await a_while();
        REQUIRE(read);
        CHECK_FALSE(read->first);
        CHECK_FALSE(wrote); // the ring is full
        stop_write.emit(net::cancellation_type::terminal);
        co_await a_while();
        REQUIRE(wrote);
        CHECK(wrote->first == net::error::operation_aborted);
        CHECK(wrote->second > 300);
        CHECK(wrote->second < sent.size());
        // The written bytes are readable, and more can follow.
        const std::size_t first = wrote->second;
        read.reset();
        net::async_read(c.b, net::buffer(got.data() + 300, sent.size() - 300),
                        net::bind_cancellation_slot(stop_read.slot(), [&](auto ec, auto size) {
                            read = {ec, size};
                        }));
        co_await a_while();
        CHECK_FALSE(read);
        stop_read.emit(net::cancellation_type::terminal);
        co_await a_while();
        REQUIRE(read);
        CHECK(read->first == net::error::operation_aborted);
        CHECK(read->second == first - 300);
        co_await (net::async_write(c.a, net::buffer(sent.substr(first)), net::use_awaitable) &&
                  net::async_read(c.b, net::buffer(got.data() + first, sent.size() - first),
                                  net::use_awaitable));
    });
    CHECK(got == sent);
}

TEST_CASE("cancel() and close() end the operations under way") {
    connected c;
    const bool close = GENERATE(false, true);
    std::array<char, 8> got{};
    c.run(
        [&]() -> net::awaitable<void> {
            const auto [ec, size] = co_await c.a.async_read_some(net::buffer(got), result);
            CHECK(ec == net::error::operation_aborted);
            CHECK(size == 0);
        },
        [&]() -> net::awaitable<void> {
            co_await a_while();
            close ? c.a.close() : c.a.cancel();
        });
    c.run([&]() -> net::awaitable<void> {
        co_await net::async_write(c.b, net::buffer("still", 5), result);
        const auto [ec, size] = co_await c.a.async_read_some(net::buffer(got), result);
        if (close) {
            CHECK(ec == errc::closed);
        } else {
            CHECK_FALSE(ec);
            CHECK(size == 5);
        }
    });
}

TEST_CASE("a read that loses against a timer loses no byte") {
    connected c;
    std::array<char, 8> got{};
    c.run([&]() -> net::awaitable<void> {
        for (int i = 0; i < 3; ++i) {
            net::steady_timer timer{c.io, 5ms};
            const auto first =
                co_await (c.b.async_read_some(net::buffer(got), net::use_awaitable) ||
                          timer.async_wait(net::use_awaitable));
            CHECK(first.index() == 1);
        }
        co_await net::async_write(c.a, net::buffer("all", 3), net::use_awaitable);
        const auto size = co_await c.b.async_read_some(net::buffer(got), net::use_awaitable);
        CHECK(size == 3);
    });
}

TEST_CASE("a peer that starts again in the middle is a reset, for reads and for writes") {
    connected c{1024};
    const bool whole_slot = GENERATE(false, true);
    std::optional<ivshmem::asio::stream> again;
    std::array<char, 8> got{};
    c.run(
        [&]() -> net::awaitable<void> {
            const auto [ec, size] = co_await c.a.async_read_some(net::buffer(got), result);
            INFO(ec.message());
            CHECK((ec == errc::channel_reset || ec == net::error::eof));
        },
        [&]() -> net::awaitable<void> {
            const std::string much = pattern(100'000);
            const auto [ec, size] = co_await net::async_write(c.a, net::buffer(much), result);
            INFO(ec.message());
            CHECK((ec == errc::channel_reset || ec == net::error::broken_pipe));
        },
        [&]() -> net::awaitable<void> {
            co_await a_while();
            if (whole_slot) {
                c.right.slot->close();
                c.right.slot.emplace(c.io, c.right.device, slot_with(1, c.geometry));
            } else {
                c.b.close();
            }
            again.emplace(c.right.stream());
        });
    // Whichever operation sees it first, the old session never continues, and reopen() begins a new
    // one.
    c.run([&]() -> net::awaitable<void> {
        const auto [ec, size] = co_await c.a.async_write_some(net::buffer("old", 3), result);
        CHECK(ec);
        co_await a_while();
        c.a.channel().reopen();
        co_await net::async_write(c.a, net::buffer("new", 3), net::use_awaitable);
        const auto fresh = co_await again->async_read_some(net::buffer(got), net::use_awaitable);
        CHECK(std::string(got.data(), fresh) == "new");
    });
}
