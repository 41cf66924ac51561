// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The states of a channel: connected, finished, closed, opened again.

#include "helpers/two_peers.hpp"

#include <deque>
#include <span>

using namespace test;
using kind = channel_event::kind;

namespace {

/// The events that async_next_event() reports, in order.
struct event_log {
    explicit event_log(channel& of) : of_{of} { next(); }

    void next() {
        of_.async_next_event([this](error_code e, channel_event event) {
            if (e) {
                ec = e;
                return;
            }
            events.push_back(event);
            if (events.size() < 20) // more than that is an error
                next();
        });
    }
    [[nodiscard]] std::vector<kind> kinds() const {
        std::vector<kind> all;
        for (const auto& e : events)
            all.push_back(e.type);
        return all;
    }

    std::vector<channel_event> events;
    error_code ec;

  private:
    channel& of_;
};

std::string receive(started_peers& p, channel& from, error_code expected = {}) {
    std::string into(100'000, '\0');
    completion got;
    from.async_receive(net::buffer(into), got.handler());
    CHECK(run_until(p.io, [&] { return got.done(); }));
    CHECK(got.ec == expected);
    return into.substr(0, got.value);
}

void send(started_peers& p, channel& to, const std::string& text) {
    completion sent;
    to.async_send(net::buffer(text), sent.handler());
    CHECK(run_until(p.io, [&] { return sent.done(); }));
    CHECK_FALSE(sent.ec);
}

/// Runs the event loop until nothing changes any more.
void settle(started_peers& p) {
    p.io.restart();
    p.io.run_for(std::chrono::milliseconds{60});
}

} // namespace

TEST_CASE("a finished side can still receive, and its messages are received to the end") {
    auto p = two_peers().start();
    p.open();
    p.connect();
    send(p, p.a, "last");
    p.a.finish();
    completion refused;
    p.a.async_send(net::buffer("more"), refused.handler());
    CHECK(receive(p, p.b) == "last");
    receive(p, p.b, error_code{std::error_code{errc::channel_closed}});
    receive(p, p.b, error_code{std::error_code{errc::channel_closed}});
    CHECK(refused.ec == errc::closed);
    send(p, p.b, "answer");
    CHECK(receive(p, p.a) == "answer");
    completion drained;
    p.a.async_drain(drained.handler());
    CHECK(run_until(p.io, [&] { return drained.done(); }));
    CHECK_FALSE(drained.ec);
}

TEST_CASE("finish() ends sends that wait for room at once") {
    auto p = two_peers().with_rings(1024).start();
    p.open();
    p.connect();
    const std::string m = pattern(GENERATE(std::size_t{400}, std::size_t{4000}));
    std::deque<completion> sends(8);
    for (auto& s : sends)
        p.a.async_send(net::buffer(m), s.handler());
    settle(p);
    CHECK_FALSE(sends.back().done());
    p.a.finish();
    CHECK(run_until(p.io, [&] { return sends.back().done(); }));
    CHECK(sends.back().ec == errc::closed);
}

TEST_CASE("messages sent before close() are received; sending to a closed side fails") {
    auto p = two_peers().start();
    p.open();
    p.connect();
    for (const char* const text : {"one", "two", "three"})
        send(p, p.a, text);
    completion aborted;
    p.a.async_receive(net::mutable_buffer{}, aborted.handler());
    p.a.close();
    CHECK_FALSE(p.a.is_open());
    settle(p);
    CHECK(aborted.ec == net::error::operation_aborted);
    completion sent;
    completion drained;
    p.b.async_send(net::buffer("lost"), sent.handler());
    p.b.async_drain(drained.handler());
    CHECK(receive(p, p.b) == "one");
    CHECK(receive(p, p.b) == "two");
    CHECK(receive(p, p.b) == "three");
    receive(p, p.b, error_code{std::error_code{errc::channel_closed}});
    CHECK(sent.ec == errc::channel_closed);
    CHECK_FALSE(drained.ec); // nothing was sent
}

TEST_CASE("operations on a closed channel complete with errc::closed, later") {
    auto p = two_peers().start();
    p.open();
    p.a.close();
    completion all[6];
    p.a.async_connect(all[0].handler());
    p.a.async_send(net::buffer("x"), all[1].handler());
    p.a.async_receive(net::mutable_buffer{}, all[2].handler());
    p.a.async_wait(all[3].handler());
    p.a.async_drain(all[4].handler());
    p.a.async_next_event(all[5].handler());
    for (const auto& o : all)
        CHECK(o.calls == 0);
    settle(p);
    for (const auto& o : all)
        CHECK(o.ec == errc::closed);
}

TEST_CASE("each event is reported once, with the incarnation of the peer") {
    auto p = two_peers().start();
    p.open();
    event_log log{p.a};
    const auto first = p.right.slot->next_layer().incarnation();
    CHECK(run_until(p.io, [&] { return log.events.size() == 1; }));
    p.b.finish();
    CHECK(run_until(p.io, [&] { return log.events.size() == 2; }));
    settle(p);
    CHECK(log.kinds() == std::vector{kind::connected, kind::closed});
    p.b.reopen();
    settle(p);
    CHECK(log.kinds() == std::vector{kind::connected, kind::closed, kind::reset});
    CHECK(log.events.back().incarnation == first);
    p.a.reopen();
    settle(p);
    CHECK(log.events.back() == channel_event{kind::connected, first});
    // The peer gives its slot back, and another takes it.
    p.b.close();
    p.right.slot.reset();
    settle(p);
    CHECK(log.events.back() == channel_event{kind::closed, first});
    p.right.slot.emplace(p.io, p.right.device, slot_with(1, p.geometry));
    const auto second = p.right.slot->next_layer().incarnation();
    p.b = p.right.open(0);
    settle(p);
    CHECK(log.events.back() == channel_event{kind::reset, first});
    p.a.reopen();
    settle(p);
    CHECK(log.events.back() == channel_event{kind::connected, second});
    CHECK(second != first);
    CHECK(log.events.size() == 7);
    p.a.close();
    settle(p);
    CHECK(log.ec == net::error::operation_aborted);
}

TEST_CASE("a peer that breaks the rules gets an error, and both sides continue after reopen()") {
    auto p = two_peers().start();
    p.open();
    p.connect();
    event_log left{p.a};
    event_log right{p.b};
    settle(p);
    // An invalid head, in the ring of a: the block of slot 0 for slot 1, lane 0.
    auto memory = p.left.device.memory();
    const std::uint32_t bad = 5;
    std::memcpy(memory.data() + 4096 + 0x100, &bad, sizeof bad);
    receive(p, p.b, error_code{std::error_code{errc::channel_poisoned}});
    settle(p);
    CHECK(right.kinds() == std::vector{kind::connected, kind::poisoned});
    CHECK(left.kinds() == std::vector{kind::connected, kind::rejected});
    receive(p, p.a, error_code{std::error_code{errc::channel_rejected}});
    p.a.reopen();
    p.b.reopen();
    send(p, p.a, "next");
    CHECK(receive(p, p.b) == "next");
}

TEST_CASE("operations of one session never take effect in the next") {
    auto p = two_peers().with_rings(1024).start();
    p.open();
    p.connect();
    const std::string big = pattern(5000);
    completion half_sent;
    completion behind;
    completion drained;
    p.a.async_send(net::buffer(big), half_sent.handler());
    p.a.async_send(net::buffer("of the old session"), behind.handler());
    p.a.async_drain(drained.handler());
    settle(p);
    completion half_received;
    std::string into(10'000, '\0');
    p.b.async_receive(net::buffer(into), half_received.handler());
    p.io.restart();
    for (int i = 0; i < 5; ++i) // some of the parts
        p.io.run_one();
    CHECK(half_sent.calls + drained.calls + half_received.calls == 0);
    // Before any of the operations could notice.
    p.b.reopen();
    p.a.reopen();
    completion fresh;
    p.a.async_send(net::buffer(std::string_view{"new"}), fresh.handler());
    CHECK(receive(p, p.b) == "new");
    settle(p);
    CHECK(fresh.value == 3);
    CHECK(half_sent.ec == errc::channel_reset);
    CHECK(behind.ec == errc::channel_reset);
    CHECK(drained.ec == errc::channel_reset);
    CHECK(half_received.ec == errc::channel_reset);
    CHECK(half_sent.value + behind.value + half_received.value == 0);
}

TEST_CASE(
    "operations that begin before the peer connects wait for it, even if this side opens again") {
    auto p = two_peers().start();
    p.a = p.left.open(1);
    completion connected;
    completion received;
    completion sent;
    std::string into(10, '\0');
    p.a.async_connect(connected.handler());
    p.a.async_receive(net::buffer(into), received.handler());
    p.a.async_send(net::buffer("early"), sent.handler());
    settle(p);
    p.a.reopen();
    settle(p);
    CHECK(connected.calls + received.calls + sent.calls == 0);
    p.b = p.right.open(0);
    CHECK(receive(p, p.b).substr(0, 5) == "early");
    send(p, p.b, "late");
    settle(p);
    CHECK_FALSE(connected.ec);
    CHECK_FALSE(sent.ec);
    CHECK(received.value == 4);
}
