// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// async_open(): opens devices while the event loop runs.

#include "fixture.hpp"
#include "helpers/resources.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <future>
#include <memory>
#include <string>
#include <thread>

#include <sys/socket.h>

using namespace test;
namespace asio = boost::asio;
using ivshmem::errc;
using ivshmem::asio::async_open;

namespace {

/// The arguments of a handler of async_open().
struct opening {
    auto handler() {
        return [this](error_code e, ivshmem::device d) {
            ec = e;
            dev = std::move(d);
            ++calls;
        };
    }

    error_code ec;
    ivshmem::device dev;
    int calls = 0;
};

/// A server, and an event loop that joins it.
struct open_fixture {
    open_fixture() { options.timeout = std::chrono::seconds{20}; }

    void run() {
        io.restart();
        io.run_for(std::chrono::seconds{30});
        CHECK(io.stopped());
    }
    std::future<client_side> greet_later() {
        return std::async(std::launch::async, [this] { return server.greet({7, 1, {}}); });
    }

    deadline limit;
    fake_server server;
    ivshmem::open_options options;
    asio::io_context io;
};

/// Waits until the client has closed its end.
bool is_closed_by_client(const connection& link) {
    char byte = 0;
    const auto got = ::recv(link.fd(), &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

} // namespace

TEST_CASE("async_open: a device is opened while the loop keeps running") {
    open_fixture f;
    auto side = f.greet_later();
    opening got;
    SECTION("by a selector, from the context") {
        async_open(f.io, f.server.selector(), f.options, got.handler());
    }
    SECTION("by text, from an executor") {
        async_open(f.io.get_executor(), "server:" + f.server.path(), f.options, got.handler());
    }
    SECTION("without options") {
        async_open(f.io, f.server.selector(), got.handler());
    }
    CHECK(got.calls == 0);
    bool turned = false;
    asio::post(f.io, [&] { turned = got.calls == 0; });
    f.run(); // the operation counts as work
    CHECK(turned);
    REQUIRE(got.calls == 1);
    CHECK_FALSE(got.ec);
    REQUIRE(got.dev.is_open());
    CHECK(got.dev.id() == 7);
    got.dev.ring(7, 0);
    CHECK(got.dev.take(0) == 1);
}

TEST_CASE("async_open: futures and coroutines") {
    open_fixture f;
    auto side = f.greet_later();
    SECTION("use_future") {
        auto opened = async_open(f.io, f.server.selector(), f.options, asio::use_future);
        f.run();
        CHECK(opened.get().id() == 7);
    }
    SECTION("the executor's default token") {
        using executor = asio::use_awaitable_t<>::executor_with_default<asio::any_io_executor>;
        std::uint16_t id = 0;
        asio::co_spawn(
            f.io,
            [&]() -> asio::awaitable<void> {
                const executor here{co_await asio::this_coro::executor};
                const auto opened = co_await async_open(here, f.server.selector(), f.options);
                id = opened.id();
            },
            [](std::exception_ptr failed) {
                if (failed)
                    std::rethrow_exception(failed);
            });
        f.run();
        CHECK(id == 7);
    }
}

TEST_CASE("async_open: failures are those of device::open(), and come later") {
    open_fixture f;
    opening got;
    SECTION("text that names no device") {
        async_open(f.io, "size:none", got.handler());
        CHECK(got.calls == 0);
        f.run();
        CHECK(got.ec == errc::bad_selector);
    }
    SECTION("no server") {
        async_open(f.io, "server:/nonexistent/socket", got.handler());
        f.run();
        CHECK(got.ec == errc::server_unreachable);
    }
    SECTION("a server that sends nothing") {
        f.options.timeout = std::chrono::milliseconds{50};
        async_open(f.io, f.server.selector(), f.options, got.handler());
        f.run();
        CHECK(got.ec == errc::timed_out);
    }
    SECTION("a timeout that is not positive") {
        f.options.timeout = std::chrono::milliseconds{0};
        async_open(f.io, f.server.selector(), f.options, got.handler());
        f.run();
        CHECK(got.ec == boost::system::errc::invalid_argument);
    }
    SECTION("no free descriptor for the wait") {
        {
            const descriptor_limit tight{0};
            async_open(f.io, f.server.selector(), f.options, got.handler());
        }
        CHECK(got.calls == 0);
        f.run();
        CHECK(got.ec == errc::descriptor_limit);
    }
    CHECK(got.calls == 1);
    CHECK_FALSE(got.dev.is_open());
}

TEST_CASE(
    "async_open: cancellation completes at once, and the thread closes the device that it opened") {
    open_fixture f;
    opening got;
    asio::cancellation_signal signal;
    const auto type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                               asio::cancellation_type::total);
    async_open(f.io, f.server.selector(), f.options,
               asio::bind_cancellation_slot(signal.slot(), got.handler()));
    f.io.poll();
    CHECK(got.calls == 0);
    signal.emit(type);
    f.run();
    REQUIRE(got.calls == 1); // the server has sent nothing yet
    CHECK(got.ec == asio::error::operation_aborted);
    CHECK_FALSE(got.dev.is_open());
    const auto side = f.server.greet({7, 1, {}});
    CHECK(is_closed_by_client(side.link));
}

TEST_CASE("async_open: an event loop that ends first destroys the handler") {
    const deadline limit;
    const fake_server server;
    ivshmem::open_options options;
    options.timeout = std::chrono::seconds{20};
    const auto token = std::make_shared<int>(0);
    {
        asio::io_context io;
        async_open(io, server.selector(), options,
                   [token](error_code, const ivshmem::device&) { FAIL("the handler was called"); });
        io.poll();
    }
    CHECK(token.use_count() == 1);
    const auto side = server.greet({7, 1, {}});
    CHECK(is_closed_by_client(side.link));
}

TEST_CASE("async_open: a device that was opened before its loop ended is closed") {
    const deadline limit;
    const fake_server server;
    client_side side;
    {
        asio::io_context io;
        async_open(io, server.selector(),
                   [](error_code, const ivshmem::device&) { FAIL("the handler was called"); });
        side = server.greet({7, 1, {}});
    }
    CHECK(is_closed_by_client(side.link));
}
