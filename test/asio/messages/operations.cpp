// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Messages between two peers on one event loop: boundaries, sizes, order, room.

#include "helpers/two_peers.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <list>
#include <span>

using namespace test;

namespace {

net::awaitable<void> send_all(channel& to, const std::vector<std::string>& messages) {
    for (const auto& m : messages) {
        const auto [ec, size] = co_await to.async_send(net::buffer(m), result);
        CHECK_FALSE(ec);
        CHECK(size == m.size());
    }
}

net::awaitable<void> expect_all(channel& from, const std::vector<std::string>& messages) {
    std::string into(2 * 1024 * 1024 + 1, '\0');
    for (const auto& m : messages) {
        const auto [ec, size] = co_await from.async_receive(net::buffer(into), result);
        CHECK_FALSE(ec);
        REQUIRE(size == m.size());
        REQUIRE(into.compare(0, size, m) == 0);
    }
}

std::span<const std::byte> bytes(const std::string& text) {
    return std::as_bytes(std::span{text});
}

} // namespace

TEST_CASE("messages of all sizes arrive intact, both ways, through rings of any size") {
    const std::uint32_t ring = GENERATE(1024U, 4096U, 65536U);
    auto p = two_peers().with_rings(ring).start();
    p.open();
    std::vector<std::string> messages;
    for (const std::size_t size :
         {0U, 1U, 7U, 8U, 9U, ring / 8 - 8, ring / 8, ring / 2 - 9, ring / 2 - 8, ring / 2 - 7, 0U,
          ring - 8, ring, ring + 1, 3 * ring + 5, 65'536U, 1'000'003U, 0U, 2U * 1024 * 1024})
        messages.push_back(pattern(size, static_cast<std::uint32_t>(size) + 1));
    run_all(
        p.io, [&] { return send_all(p.a, messages); }, [&] { return expect_all(p.b, messages); },
        [&] { return send_all(p.b, messages); }, [&] { return expect_all(p.a, messages); });
}

TEST_CASE("a message is gathered from many buffers and scattered into many") {
    auto p = two_peers().with_rings(4096).start();
    p.open();
    const std::string whole =
        pattern(GENERATE(std::size_t{0}, std::size_t{999}, std::size_t{50000}));
    std::vector<net::const_buffer> from;
    for (std::size_t at = 0, step = 0; at < whole.size(); step = (step + 7) % 301) {
        const std::size_t here = std::min(step, whole.size() - at); // some of them empty
        from.emplace_back(whole.data() + at, here);
        at += here;
    }
    std::list<std::string> parts;
    std::list<net::mutable_buffer> into;
    for (std::size_t at = 0, step = 5; at < whole.size() + 100; step = (step + 11) % 173) {
        parts.emplace_back(step, '-');
        into.push_back(net::buffer(parts.back()));
        at += step;
    }
    const std::array<net::const_buffer, 3> nothing{};
    run_all(
        p.io,
        [&]() -> net::awaitable<void> {
            co_await p.a.async_send(from, net::use_awaitable);
            co_await p.a.async_send(nothing, net::use_awaitable);
        },
        [&]() -> net::awaitable<void> {
            const std::size_t size = co_await p.b.async_receive(into, net::use_awaitable);
            CHECK(size == whole.size());
            const net::mutable_buffer none;
            const std::size_t empty = co_await p.b.async_receive(none, net::use_awaitable);
            CHECK(empty == 0);
        });
    std::string got;
    for (const auto& part : parts)
        got += part;
    CHECK(got.compare(0, whole.size(), whole) == 0);
    CHECK(got.find_first_not_of('-', whole.size()) == std::string::npos);
}

TEST_CASE("sends and receives under way complete in the order in which they were started") {
    auto p = two_peers().with_rings(1024).start();
    p.open();
    constexpr std::size_t count = 60;
    std::deque<std::string> sent;
    std::deque<std::string> got;
    std::vector<std::size_t> order;
    std::vector<std::size_t> send_order;
    for (std::size_t i = 0; i < count; ++i) {
        sent.push_back(pattern(i * i % 3000, static_cast<std::uint32_t>(i)));
        got.emplace_back(3000, '\0');
        p.b.async_receive(net::buffer(got[i]), [&, i](error_code ec, std::size_t size) {
            CHECK_FALSE(ec);
            got[i].resize(size);
            order.push_back(i);
        });
        p.a.async_send(net::buffer(sent[i]), [&, i](error_code ec, std::size_t) {
            CHECK_FALSE(ec);
            send_order.push_back(i);
        });
    }
    CHECK(run_until(p.io, [&] { return order.size() == count && send_order.size() == count; }));
    CHECK(std::is_sorted(order.begin(), order.end()));
    CHECK(std::is_sorted(send_order.begin(), send_order.end()));
    CHECK(sent == got);
}

TEST_CASE("a send waits while the ring is full, and completes when there is room") {
    auto p = two_peers().with_rings(1024).start();
    p.open();
    p.connect();
    const std::string m = pattern(200);
    std::size_t filled = 0;
    std::error_code ec;
    while (p.a.next_layer().try_send(bytes(m), ec))
        ++filled;
    CHECK_FALSE(ec);
    CHECK(filled >= 2);
    completion waiting;
    completion behind;
    p.a.async_send(net::buffer(m), waiting.handler());
    p.a.async_send(net::buffer(m), behind.handler());
    p.io.run_for(std::chrono::milliseconds{100});
    CHECK(waiting.calls + behind.calls == 0);
    std::string into(200, '\0');
    for (std::size_t i = 0; i < filled + 2; ++i) {
        completion got;
        p.b.async_receive(net::buffer(into), got.handler());
        CHECK(run_until(p.io, [&] { return got.done(); }));
        CHECK(into == m);
    }
    CHECK(run_until(p.io, [&] { return waiting.done() && behind.done(); }));
    CHECK_FALSE(waiting.ec);
    CHECK(waiting.value == 200);
    CHECK_FALSE(behind.ec);
}

TEST_CASE("a waiting receive and a waiting send are each woken by their own event") {
    auto p = two_peers().with_rings(1024).start();
    p.open();
    p.connect();
    const std::string m = pattern(400);
    std::error_code ec;
    std::size_t filled = 0;
    while (p.a.next_layer().try_send(bytes(m), ec))
        ++filled;
    std::string into(400, '\0');
    completion received;
    completion sent;
    p.a.async_receive(net::buffer(into), received.handler());
    p.a.async_send(net::buffer(m), sent.handler());
    p.io.run_for(std::chrono::milliseconds{50});
    // A ring must wake the operation: it takes less than half of the recheck period.
    SECTION("data, then room") {
        p.b.next_layer().try_send(bytes(m));
        CHECK(run_until(p.io, [&] { return received.done(); }));
        CHECK_FALSE(sent.done());
        while (p.b.next_layer().try_receive(std::as_writable_bytes(std::span{into}))) {
        }
        CHECK(run_until(p.io, [&] { return sent.done(); }));
    }
    SECTION("room, then data") {
        while (p.b.next_layer().try_receive(std::as_writable_bytes(std::span{into}))) {
        }
        CHECK(run_until(p.io, [&] { return sent.done(); }));
        CHECK_FALSE(received.done());
        p.b.next_layer().try_send(bytes(m));
        CHECK(run_until(p.io, [&] { return received.done(); }));
    }
    CHECK_FALSE(received.ec);
    CHECK_FALSE(sent.ec);
}

TEST_CASE("calls that do not wait mix with operations that do: batches, views, async_wait()") {
    auto p = two_peers().start();
    p.open();
    p.connect();
    auto& a = p.a.next_layer();
    auto& b = p.b.next_layer();
    const std::vector<std::string> texts{"one", "", "three", "four"};
    std::vector<std::span<const std::byte>> views(texts.size());
    std::transform(texts.begin(), texts.end(), views.begin(), bytes);
    std::error_code ec;
    completion readable;
    p.b.async_wait(readable.handler());
    p.io.poll();
    CHECK(readable.calls == 0);
    CHECK(a.try_send_batch(views, ec) == 4);
    CHECK(run_until(p.io, [&] { return readable.done(); }));
    CHECK(readable.value == 3);
    std::vector<std::string> got;
    const auto keep = [&](std::span<const std::byte> view) {
        got.emplace_back(reinterpret_cast<const char*>(view.data()), view.size());
    };
    const auto first = b.peek(ec);
    REQUIRE(first);
    keep(*first);
    b.consume();
    CHECK(b.receive_batch(2, keep, ec) == 2);
    std::string into(9, '\0');
    completion last;
    p.b.async_receive(net::buffer(into), last.handler()); // its turn in line
    CHECK(run_until(p.io, [&] { return last.done(); }));
    got.push_back(into.substr(0, last.value));
    CHECK(got == texts);
    CHECK_FALSE(b.try_receive(std::as_writable_bytes(std::span{into})));
}

TEST_CASE("async_drain() completes when the peer has taken all messages, and not before") {
    auto p = two_peers().with_rings(1024).start();
    p.open();
    p.connect();
    const std::string m = pattern(100);
    completion sent[3];
    for (auto& s : sent)
        p.a.async_send(net::buffer(m), s.handler());
    completion drained;
    p.a.async_drain(drained.handler());
    std::string into(100, '\0');
    for (int i = 0; i < 3; ++i) {
        p.io.run_for(std::chrono::milliseconds{30});
        CHECK(drained.calls == 0);
        completion got;
        p.b.async_receive(net::buffer(into), got.handler());
        CHECK(run_until(p.io, [&] { return got.done(); }));
    }
    CHECK(run_until(p.io, [&] { return drained.done(); }));
    CHECK_FALSE(drained.ec);
    p.a.async_drain(drained.handler());
    CHECK(run_until(p.io, [&] { return drained.calls == 2; }));
    CHECK_FALSE(drained.ec);
}

TEST_CASE("a message over the peer's limit is refused, one over the buffer stays") {
    auto p = two_peers().with_rings(1024).start();
    ivshmem::channel_options options;
    options.max_message = 5000;
    p.open(options);
    const std::string most = pattern(5000);
    const std::string more = pattern(5001);
    const std::vector<std::string> fitting{most, "next"};
    std::string into(5000, '\0');
    run_all(
        p.io,
        [&]() -> net::awaitable<void> {
            const auto [ec, size] = co_await p.a.async_send(net::buffer(more), result);
            CHECK(ec == errc::message_too_large);
            CHECK(size == 0);
            co_await send_all(p.a, fitting);
        },
        [&]() -> net::awaitable<void> {
            for (std::size_t small = 0; small < 5000; small += 1666) {
                const auto [ec, size] =
                    co_await p.b.async_receive(net::buffer(into.data(), small), result);
                CHECK(ec == errc::buffer_too_small);
                CHECK(size == 0);
                std::error_code no;
                CHECK(p.b.next_layer().next_size(no) == 5000U);
            }
            const std::size_t next = co_await p.b.async_wait(net::use_awaitable);
            CHECK(next == 5000);
            co_await expect_all(p.b, fitting);
        });
}

TEST_CASE("a vector takes a message of any length, and no more memory than has arrived before") {
    auto p = two_peers().with_rings(1024).start();
    p.open();
    const std::vector<std::string> sent{std::string(5000, 'l'), "", "short",
                                        std::string(9000, 'm')};
    run_all(
        p.io, [&]() -> net::awaitable<void> { co_await send_all(p.a, sent); },
        [&]() -> net::awaitable<void> {
            std::vector<std::byte> into;
            for (const auto& expected : sent) {
                const auto [ec, size] = co_await p.b.async_receive(into, result);
                CHECK_FALSE(ec);
                CHECK(size == expected.size());
                CHECK(std::string(reinterpret_cast<const char*>(into.data()), into.size()) ==
                      expected);
            }
        });
}
