// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Channels, streams, acceptors and slots that were moved from, or never opened: they keep their
// executor, are not open, and all operations on them complete with errc::closed, later.

#include "asio/services/crowd.hpp"

#include <boost/asio/deferred.hpp>

#include <utility>

using namespace test;
using ivshmem::asio::acceptor;
using ivshmem::asio::slot;
using ivshmem::asio::stream;

namespace {

/// A completion that must come with errc::closed, and not from within the initiating function.
struct closed_later {
    explicit closed_later(net::io_context& context) : io{context} {}
    closed_later(const closed_later&) = delete;
    closed_later& operator=(const closed_later&) = delete;

    auto handler() {
        return [this](error_code e, auto...) {
            ec = e;
            ++calls;
        };
    }
    ~closed_later() {
        CHECK(calls == 0);
        io.restart();
        io.poll();
        CHECK(calls == 1);
        CHECK(ec == errc::closed);
    }

    net::io_context& io;
    error_code ec{};
    int calls = 0;
};

void check_closed(net::io_context& io, channel& c) {
    CHECK(c.get_executor() == io.get_executor());
    CHECK_FALSE(c.is_open());
    c.cancel();
    c.finish();
    c.close();
    std::error_code ec;
    c.reopen(ec);
    CHECK(ec == errc::closed);
    CHECK_THROWS_AS(c.reopen(), ivshmem::error);
}

void check_operations(net::io_context& io, channel& c) {
    std::string text = "text";
    const auto each = [&](auto&& start) {
        closed_later end{io};
        start(end.handler());
    };
    each([&](auto h) { c.async_connect(h); });
    each([&](auto h) { c.async_send(net::buffer(text), h); });
    each([&](auto h) { c.async_receive(net::buffer(text), h); });
    each([&](auto h) { c.async_wait(h); });
    each([&](auto h) { c.async_drain(h); });
    each([&](auto h) { c.async_next_event(h); });
    each([&](auto h) { c.async_send(net::buffer(text), net::deferred)(h); });
}

void check_stream(net::io_context& io, stream& s) {
    CHECK(s.get_executor() == io.get_executor());
    CHECK_FALSE(s.is_open());
    s.cancel();
    s.shutdown();
    s.close();
    std::string text = "text";
    const auto each = [&](auto&& start) {
        closed_later end{io};
        start(end.handler());
    };
    each([&](auto h) { s.async_connect(h); });
    each([&](auto h) { s.async_read_some(net::buffer(text), h); });
    each([&](auto h) { s.async_write_some(net::buffer(text), h); });
}

} // namespace

TEST_CASE("channels and streams that were never opened") {
    net::io_context io;
    channel by_context{io};
    check_closed(io, by_context);
    check_operations(io, by_context);
    channel by_executor{io.get_executor()};
    check_closed(io, by_executor);
    check_operations(io, by_executor);
    stream s{io};
    check_stream(io, s);
    stream t{io.get_executor()};
    check_stream(io, t);
}

TEST_CASE("objects that were moved from, by construction and by assignment") {
    crowd c{2, 4, 2};
    const bool assigned = GENERATE(false, true);
    INFO(assigned);
    const auto move_from = [&](auto& from, auto to) {
        if (assigned)
            to = std::move(from);
        else
            auto other = std::move(from);
    };
    channel open{c.slot(0), 1, 0};
    move_from(open, channel{c.io});
    check_closed(c.io, open);
    check_operations(c.io, open);
    open = channel{c.slot(0), 1, 0}; // may be assigned to
    CHECK(open.is_open());

    stream s{c.slot(0), 1, 1};
    move_from(s, stream{c.io});
    check_stream(c.io, s);

    acceptor a{c.slot(0), "one"};
    move_from(a, acceptor{c.slot(0), "two"});
    CHECK(a.get_executor() == c.io.get_executor());
    a.cancel();
    a.close();
    {
        closed_later end{c.io};
        a.async_accept(end.handler());
    }
    acceptor free_again{c.slot(0), "one"};

    slot moved{std::move(c.slot(1))};
    CHECK(c.slot(1).get_executor() == c.io.get_executor());
    CHECK_FALSE(c.slot(1).is_open());
    c.slot(1).close();
    CHECK_THROWS_AS(channel(c.slot(1), 0, 0), ivshmem::error);
    CHECK_THROWS_AS(stream(c.slot(1), 0, 0), ivshmem::error);
    CHECK_THROWS_AS(acceptor(c.slot(1), "service"), ivshmem::error);
    {
        closed_later end{c.io};
        ivshmem::asio::async_connect(c.slot(1), "service", end.handler());
    }
    CHECK(moved.is_open());
}

TEST_CASE("a failed operation returns a closed channel with the acceptor's executor") {
    crowd c{2, 1, 2};
    acceptor a{c.slot(0), "service"};
    meeting accepted;
    a.async_accept(accepted.handler());
    a.close();
    CHECK(c.until([&] { return accepted.done(); }));
    CHECK(accepted.ec == net::error::operation_aborted);
    check_operations(c.io, accepted.value);
    meeting connected;
    ask(c.slot(1), "", connected);
    CHECK(c.until([&] { return connected.done(); }));
    CHECK(connected.ec == errc::bad_service_name);
    check_operations(c.io, connected.value);
}
