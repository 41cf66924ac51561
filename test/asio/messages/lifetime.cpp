// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The lives of devices, slots, channels, their operations and event loops.

#include "helpers/two_peers.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <thread>

#include <sys/mman.h>

using namespace test;

namespace {

/// Memory for buffers that ends the process if it is used after revoke().
class revocable_memory {
  public:
    revocable_memory()
        : at_{::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)} {
        REQUIRE(at_ != MAP_FAILED);
    }
    revocable_memory(const revocable_memory&) = delete;
    revocable_memory& operator=(const revocable_memory&) = delete;
    ~revocable_memory() { ::munmap(at_, size); }

    [[nodiscard]] net::mutable_buffer buffer() const { return {at_, size}; }
    void revoke() const { REQUIRE(::mprotect(at_, size, PROT_NONE) == 0); }

  private:
    static constexpr std::size_t size = 8192;

    void* at_;
};

} // namespace

TEST_CASE("channel, slot, device and event loop end in any order, with operations under way") {
    const auto token = std::make_shared<int>(0); // shared with every handler
    std::string order = "cds";
    const int permutation = GENERATE(range(0, 6));
    for (int i = 0; i < permutation; ++i)
        std::next_permutation(order.begin(), order.end());
    const bool connected = GENERATE(false, true);
    const int run = GENERATE(0, 1, 2); // after each end, after the last, never
    INFO(order << (connected ? ", connected, " : ", ") << run);
    std::string buffer(10, '\0');
    {
        auto p = two_peers().start();
        p.open();
        if (connected)
            p.connect();
        int calls = 0;
        const auto handler = [token, &calls](error_code ec, auto...) {
            CHECK(ec);
            ++calls;
        };
        for (int i = 0; i < 2; ++i) {
            p.a.async_receive(net::buffer(buffer), handler);
            p.a.async_wait(handler);
            p.a.async_next_event(net::as_tuple(net::detached));
        }
        p.io.restart();
        p.io.poll();
        for (const char which : order) {
            if (which == 'c')
                p.a = channel{p.io};
            if (which == 'd')
                p.left.device = ivshmem::device{};
            if (which == 's')
                p.left.slot.reset();
            if (run == 0)
                p.io.run_for(std::chrono::milliseconds{2});
        }
        if (run != 2)
            CHECK(run_until(p.io, [&] { return calls == 4; }));
    }
    CHECK(token.use_count() == 1);
}

TEST_CASE("an operation that ends with the event loop uses its buffers no more") {
    const revocable_memory memory;
    const bool cancelled = GENERATE(false, true);
    bool called = false;
    {
        auto p = two_peers().with_rings(1024).start();
        p.open();
        p.connect();
        const auto handler = [&](error_code, std::size_t) {
            called = true;
        };
        const std::string text(5000, 't');
        std::optional<ivshmem::asio::stream> stream;
        SECTION("a receive that has a part of its message") {
            std::size_t done = 0;
            std::error_code ec;
            const auto fill = [&](std::span<std::byte> into, std::size_t) {
                std::ranges::fill(into, std::byte{1});
            };
            CHECK_FALSE(ivshmem::channel_driver{p.b.next_layer()}.send_some(5000, done, fill, ec));
            REQUIRE(done != 0);
            p.a.async_receive(memory.buffer(), handler);
        }
        SECTION("a receive") {
            p.a.async_receive(memory.buffer(), handler);
        }
        SECTION("a send that waits for room for the rest of its message") {
            p.a.async_send(memory.buffer(), handler);
        }
        SECTION("a read") {
            stream.emplace(std::move(p.a)).async_read_some(memory.buffer(), handler);
        }
        SECTION("a write that waits for room") {
            while (p.a.next_layer().try_send(std::as_bytes(std::span{text}).first(100))) {
            }
            stream.emplace(std::move(p.a)).async_write_some(memory.buffer(), handler);
        }
        p.io.restart();
        p.io.run_for(std::chrono::milliseconds{5});
        REQUIRE_FALSE(called);
        if (cancelled) // the handler was not called yet
            (stream ? stream->channel() : p.a).cancel();
        memory.revoke();
    }
    CHECK_FALSE(called);
}

TEST_CASE("a lane is opened again while an operation of its former channel is still ending") {
    ivshmem::asio::waiting_options waiting;
    waiting.recheck = std::chrono::seconds{10}; // doorbells alone are fast enough
    auto p = two_peers().with_rings(1024).waiting(waiting).start();
    p.open();
    p.connect();
    std::string old(10, '\0');
    std::string into(10, '\0');
    completion aborted;
    completion received;
    p.a.async_receive(net::buffer(old), aborted.handler());
    p.io.restart();
    p.io.poll();
    p.a.close();
    channel next = p.left.open(1);
    p.b.reopen();
    std::error_code ec;
    for (int i = 0; i < 3; ++i) { // update() alone connects them
        next.next_layer().update(ec);
        p.b.next_layer().update(ec);
    }
    REQUIRE(next.next_layer().state() == ivshmem::channel_state::connected);
    CHECK(ivshmem::channel_driver{next.next_layer()}.arm(ivshmem::channel_driver::for_data));
    next.async_receive(net::buffer(into), received.handler());
    CHECK(run_until(p.io, [&] { return aborted.done(); }));
    CHECK(aborted.ec == net::error::operation_aborted);
    CHECK(p.b.next_layer().try_send(std::as_bytes(std::span{"hello"})));
    const auto rung = std::chrono::steady_clock::now();
    CHECK(run_until(p.io, [&] { return received.done(); }));
    CHECK(std::chrono::steady_clock::now() - rung < waiting.recheck / 2);
}

TEST_CASE("a handler closes a slot while other handlers of it are ready to run") {
    ivshmem::asio::waiting_options waiting;
    waiting.recheck = std::chrono::milliseconds{5};
    auto p = two_peers().with_rings(1024).waiting(waiting).start();
    p.a = p.left.open(1);
    std::string buffer(10, '\0');
    completion first;
    completion second;
    completion third;
    net::steady_timer timer{p.io, std::chrono::milliseconds{1}};
    timer.async_wait([&](error_code) { p.left.slot->close(); });
    p.a.async_receive(net::buffer(buffer), [&](error_code ec, std::size_t size) {
        first.handler()(ec, size);
        p.a.async_receive(net::buffer(buffer), third.handler());
    });
    p.a.async_receive(net::buffer(buffer), second.handler());
    std::this_thread::sleep_for(std::chrono::milliseconds{30}); // both timers are due
    CHECK(run_until(p.io, [&] { return first.done() && second.done() && third.done(); }));
    CHECK(first.ec == errc::closed);
    CHECK(second.ec == errc::closed);
    CHECK(third.ec == errc::closed);
    CHECK_FALSE(p.left.slot->is_open());
}

TEST_CASE("coroutines that own all their objects end with the event loop") {
    deadline limit;
    const host::running_server server{{"-l", "4M", "-n", "1"}};
    const ivshmem::region_geometry geometry{2, 2, 1024};
    const auto token = std::make_shared<int>(0);
    {
        net::io_context io;
        const auto live = [&, token](std::uint32_t number) -> net::awaitable<void> {
            peer own{io, open_device(server.socket()), number, geometry};
            channel c = own.open(1 - number);
            ivshmem::asio::acceptor acceptor{*own.slot, "service"};
            acceptor.async_accept(
                [token](error_code, const channel&) { FAIL("the handler was called"); });
            ivshmem::asio::async_connect(*own.slot, "other", [token](error_code, const channel&) {
                FAIL("the handler was called");
            });
            co_await c.async_connect(net::use_awaitable);
            std::string into(10, '\0');
            co_await c.async_receive(net::buffer(into), net::use_awaitable);
            FAIL("the coroutine continued");
        };
        net::co_spawn(io, live(0), net::detached);
        net::co_spawn(io, live(1), net::detached);
        io.run_for(std::chrono::milliseconds{GENERATE(0, 10, 300)});
    }
    CHECK(token.use_count() == 1);
}

TEST_CASE("a slot that another peer took ends all operations in it") {
    auto p = two_peers().start();
    p.open();
    p.connect();
    ivshmem::asio::acceptor acceptor{*p.left.slot, "service"};
    completion received;
    completion accepted;
    completion connected;
    std::string buffer(10, '\0');
    p.a.async_receive(net::buffer(buffer), received.handler());
    acceptor.async_accept([&](error_code ec, const channel&) { accepted.handler()(ec); });
    ivshmem::asio::async_connect(*p.left.slot, "no service",
                                 [&](error_code ec, const channel&) { connected.handler()(ec); });
    p.io.restart();
    p.io.poll();
    const std::uint32_t another = 12345;
    for (const std::size_t word : {0x44U, 0x40U}) // `claim`, then `incarnation`
        std::memcpy(p.left.device.memory().data() + word, &another, sizeof another);
    p.right.device.ring(p.left.device.id(), 0);
    CHECK(run_until(p.io, [&] { return received.done() && accepted.done() && connected.done(); }));
    CHECK(received.ec == errc::slot_lost);
    CHECK(accepted.ec == errc::slot_lost);
    CHECK(connected.ec == errc::slot_lost);
    CHECK(p.a.is_open());
}

TEST_CASE("an accept on a closed acceptor completes with an error") {
    auto p = two_peers().start();
    ivshmem::asio::acceptor acceptor{*p.left.slot, "service"};
    acceptor.close();
    completion accepted;
    acceptor.async_accept([&](error_code ec, const channel&) { accepted.handler()(ec); });
    CHECK(accepted.calls == 0);
    CHECK(run_until(p.io, [&] { return accepted.done(); }));
    CHECK(accepted.ec == errc::closed);
}
