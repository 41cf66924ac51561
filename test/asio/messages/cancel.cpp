// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Cancellation of operations on channels, in each state that they can be in.

#include "helpers/two_peers.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <deque>
#include <functional>
#include <random>
#include <span>

using namespace test;
using net::cancellation_type;
using net::error::operation_aborted;

namespace {

/// Operations under way. Each can be cancelled.
struct under_way {
    using starter = std::function<void(net::cancellation_slot, completion&)>;

    explicit under_way(const std::vector<starter>& starters)
        : signals(starters.size()), completions(starters.size()) {
        for (std::size_t i = 0; i < starters.size(); ++i)
            starters[i](signals[i].slot(), completions[i]);
    }
    [[nodiscard]] std::size_t done() const {
        std::size_t count = 0;
        for (const auto& o : completions)
            count += o.done() ? 1 : 0;
        return count;
    }

    std::deque<net::cancellation_signal> signals;
    std::deque<completion> completions;
};

/// All operations that can wait on a channel. async_connect() comes last.
std::vector<under_way::starter> all_operations(channel& c, std::string& buffer) {
    using net::bind_cancellation_slot;
    const auto bound = [](net::cancellation_slot s, completion& o) {
        return bind_cancellation_slot(s, o.handler());
    };
    return {
        [&, bound](auto s, auto& o) { c.async_receive(net::buffer(buffer), bound(s, o)); },
        [&, bound](auto s, auto& o) { c.async_wait(bound(s, o)); },
        [&, bound](auto s, auto& o) { c.async_send(net::buffer(buffer), bound(s, o)); },
        [&, bound](auto s, auto& o) { c.async_drain(bound(s, o)); },
        [&, bound](auto s, auto& o) { c.async_next_event(bound(s, o)); },
        [&, bound](auto s, auto& o) { c.async_connect(bound(s, o)); },
    };
}

void let_go_on(started_peers& p) {
    p.io.restart();
    p.io.run_for(std::chrono::milliseconds{25});
}

/// Opens both channels, fills the ring of a, and reads its event.
void fill(started_peers& p) {
    p.open();
    p.connect();
    completion connected;
    p.a.async_next_event(connected.handler());
    REQUIRE(run_until(p.io, [&] { return connected.done(); }));
    const std::string m(300, 'm');
    std::error_code ec;
    while (p.a.next_layer().try_send(std::as_bytes(std::span{m}), ec)) {
    }
    REQUIRE_FALSE(ec);
}

} // namespace

TEST_CASE("each operation is cancelled alone, before the peer has connected and while it is idle") {
    const auto type =
        GENERATE(cancellation_type::terminal, cancellation_type::partial, cancellation_type::total);
    auto p = two_peers().with_rings(1024).start();
    std::string buffer(300, 'b');
    const bool connected = GENERATE(false, true);
    connected ? fill(p) : p.open();
    if (!connected)
        p.b.close();
    auto starters = all_operations(p.a, buffer);
    if (connected)
        starters.pop_back();
    under_way all{starters};
    let_go_on(p);
    CHECK(all.done() == 0);
    std::size_t gone = 0;
    for (const std::size_t i : {3U, 1U, 0U, 2U, 4U, 5U}) {
        if (i >= all.signals.size())
            continue;
        all.signals[i].emit(type);
        CHECK(all.done() == gone);
        CHECK(run_until(p.io, [&] { return all.completions[i].done(); }));
        CHECK(all.completions[i].ec == operation_aborted);
        CHECK(all.completions[i].value == 0);
        let_go_on(p);
        CHECK(all.done() == ++gone);
    }
}

TEST_CASE("cancel(), close() and the end of channel or slot end all operations") {
    auto p = two_peers().with_rings(1024).start();
    std::string buffer(300, 'b');
    const bool connected = GENERATE(false, true);
    connected ? fill(p) : p.open();
    if (!connected)
        p.b.close();
    auto starters = all_operations(p.a, buffer);
    if (connected)
        starters.pop_back();
    const auto twice = [&] { // some of the operations are not the first of their line
        auto more = starters;
        more.insert(more.end(), starters.begin(), starters.end());
        return more;
    };
    under_way all{twice()};
    let_go_on(p);
    CHECK(all.done() == 0);
    error_code expected = operation_aborted;
    SECTION("cancel()") {
        p.a.cancel();
    }
    SECTION("close()") {
        p.a.close();
    }
    SECTION("the channel is destroyed") {
        p.a = channel{p.io};
    }
    SECTION("the slot is closed") {
        p.left.slot->close();
        expected = std::error_code{errc::closed};
    }
    SECTION("the slot is destroyed") {
        p.left.slot.reset();
        expected = std::error_code{errc::closed};
    }
    CHECK(all.done() == 0);
    CHECK(run_until(p.io, [&] { return all.done() == all.completions.size(); }));
    for (const auto& o : all.completions) {
        CHECK(o.ec == expected);
        CHECK(o.calls == 1);
        CHECK(o.value == 0);
    }
}

TEST_CASE("an operation that spins can be cancelled") {
    ivshmem::asio::waiting_options waiting;
    waiting.spin = std::chrono::seconds{20};
    auto p = two_peers().with_rings(1024).waiting(waiting).start();
    p.open();
    p.connect();
    std::string buffer(10, 'b');
    completion first;
    p.a.async_receive(net::buffer(buffer), first.handler());
    p.io.poll_one();
    p.b.next_layer().try_send(std::as_bytes(std::span{buffer}));
    CHECK(run_until(p.io, [&] { return first.done(); })); // short enough for spinning to pay
    completion spinning;
    net::cancellation_signal signal;
    p.a.async_receive(net::buffer(buffer),
                      net::bind_cancellation_slot(signal.slot(), spinning.handler()));
    p.io.restart();
    for (int turn = 0; turn < 100; ++turn)
        REQUIRE(p.io.poll_one() == 1); // it never sleeps
    CHECK_FALSE(spinning.done());
    SECTION("alone") {
        signal.emit(cancellation_type::total);
    }
    SECTION("with the channel") {
        p.a.close();
    }
    CHECK(run_until(p.io, [&] { return spinning.done(); }));
    CHECK(spinning.ec == operation_aborted);
}

TEST_CASE("a cancelled receive loses no message, a cancelled send shows none") {
    const std::uint32_t ring = GENERATE(1024U, 4096U);
    auto p = two_peers().with_rings(ring).start();
    p.open();
    std::mt19937 random{ring};
    const auto one_in = [&](unsigned n) {
        return random() % n == 0;
    };
    std::string text;
    std::string into(20'000, '\0');
    std::vector<std::string> sent;
    std::vector<std::string> got;
    unsigned cancelled_sends = 0;
    unsigned cancelled_receives = 0;
    bool sending = false;
    bool receiving = false;
    net::cancellation_signal stop_send;
    net::cancellation_signal stop_receive;
    const auto send = [&](std::string what) {
        sending = true;
        text = std::move(what);
        p.a.async_send(net::buffer(text), net::bind_cancellation_slot(
                                              stop_send.slot(), [&](error_code ec, std::size_t) {
                                                  sending = false;
                                                  if (ec)
                                                      ++cancelled_sends;
                                                  else
                                                      sent.push_back(text);
                                              }));
    };
    const auto receive = [&] {
        receiving = true;
        p.b.async_receive(
            net::buffer(into),
            net::bind_cancellation_slot(stop_receive.slot(), [&](error_code ec, std::size_t n) {
                receiving = false;
                if (ec)
                    ++cancelled_receives;
                else
                    got.push_back(into.substr(0, n));
            }));
    };
    const auto step = [&] {
        p.io.restart(), p.io.run_one_for(std::chrono::milliseconds{2});
    };
    for (std::uint32_t number = 0; sent.size() < 400;) {
        if (!sending)
            send(pattern(random() % (3 * ring), ++number));
        if (!receiving)
            receive();
        for (auto steps = random() % 8; steps > 0; --steps)
            step();
        // Cancels one of them, or all of them.
        if (sending && one_in(6))
            one_in(2) ? stop_send.emit(cancellation_type::total) : p.a.cancel();
        if (receiving && one_in(6))
            one_in(2) ? stop_receive.emit(cancellation_type::terminal) : p.b.cancel();
    }
    CHECK(run_until(p.io, [&] {
        if (!receiving)
            receive();
        return !sending;
    }));
    send("end");
    CHECK(run_until(p.io, [&] {
        if (!receiving && (got.empty() || got.back() != "end"))
            receive();
        return !sending && got.size() >= sent.size();
    }));
    INFO(cancelled_sends << " sends and " << cancelled_receives << " receives were cancelled");
    CHECK(cancelled_sends > 20);
    CHECK(cancelled_receives > 20);
    CHECK(got == sent);
}

TEST_CASE(
    "a waiting operation wakes up when another one notices a change whose doorbell was lost") {
    ivshmem::asio::waiting_options waiting;
    waiting.spin = {}; // else the operations below may all be spinning
    waiting.recheck = std::chrono::seconds{10};
    auto p = two_peers().with_rings(1024).waiting(waiting).start();
    p.open();
    p.connect();
    std::string buffer(10, 'b');
    completion received;
    completion event;
    p.a.async_next_event(event.handler());
    CHECK(run_until(p.io, [&] { return event.done(); }));
    p.a.async_receive(net::buffer(buffer), received.handler());
    p.io.restart();
    p.io.poll();
    p.b.next_layer().try_send(std::as_bytes(std::span{buffer}));
    p.left.device.take(0); // the ring that would wake the event loop
    p.a.async_next_event(event.handler());
    p.io.restart();
    for (int handlers = 0; handlers < 20; ++handlers)
        p.io.poll_one();
    CHECK(received.done());
}
