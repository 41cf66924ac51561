// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// A peer ends without a word: what waits for it on an event loop ends with errc::peer_lost.

#include "crash.hpp"
#include "helpers/two_peers.hpp"

#include <csignal>
#include <memory>

using namespace test;
using kind = channel_event::kind;
using namespace std::chrono_literals;

namespace {

/// A program in slot 1 that is killed, and this process in slot 0.
struct beside_a_victim {
    /// Starts a program with a role of crash_peer.cpp.
    host::process& start(const std::string& role) {
        victim = std::make_unique<host::process>(
            std::vector<std::string>{PEER, role, server.socket(), "0"},
            server.folder / ("victim" + std::to_string(++started)));
        return *victim;
    }
    /// Stops it, so that what waits for it goes on to wait.
    void stop() {
        victim->signal(SIGSTOP);
        io.restart();
        io.run_for(20ms);
    }

    const deadline limit;
    const host::running_server server{{"-l", "1M", "-n", "1"}};
    net::io_context io;
    unsigned started = 0;
    std::unique_ptr<host::process> victim;
    peer survivor{io, open_device(server.socket()), 0, crash::geometry};
};

/// Connects to the victim.
void connect(beside_a_victim& in, channel& over) {
    completion connected;
    over.async_connect(connected.handler());
    REQUIRE(run_until(in.io, [&] { return connected.done(); }));
    REQUIRE_FALSE(connected.ec);
}

/// The events of a channel.
struct event_log {
    explicit event_log(channel& of) : of_{of} { next(); }
    void next() {
        of_.async_next_event([this](error_code ec, channel_event e) {
            if (ec)
                return;
            events.push_back(e.type);
            next();
        });
    }

    std::vector<kind> events;

  private:
    channel& of_;
};

} // namespace

TEST_CASE("all that waits for a peer that is killed ends with peer_lost, and the peer can return") {
    beside_a_victim v;
    v.start("receive");
    channel over = v.survivor.open(1);
    event_log log{over};
    connect(v, over);
    const auto first = over.next_layer().peer_incarnation();
    v.stop();

    std::string into(8192, '\0');
    const std::string large(16 * 1024, 'x'); // more than the ring
    const std::string small(8, 'x');
    completion received;
    completion sent;
    completion behind;
    completion drained;
    over.async_receive(net::buffer(into), received.handler());
    over.async_send(net::buffer(large), sent.handler());
    over.async_send(net::buffer(small), behind.handler());
    over.async_drain(drained.handler());
    v.io.restart();
    v.io.run_for(100ms);
    REQUIRE(received.calls + sent.calls + behind.calls + drained.calls == 0);
    CHECK(log.events == std::vector{kind::connected});

    v.victim->signal(SIGKILL);
    CHECK(run_until(v.io, [&] {
        return received.done() && sent.done() && behind.done() && drained.done() &&
               log.events.size() > 1;
    }));
    CHECK(received.ec == errc::peer_lost);
    CHECK(sent.ec == errc::peer_lost);
    CHECK(behind.ec == errc::peer_lost);
    CHECK(drained.ec == errc::peer_lost);
    CHECK(log.events == std::vector{kind::connected, kind::peer_lost});
    completion late;
    over.async_receive(net::buffer(into), late.handler());
    CHECK(run_until(v.io, [&] { return late.done(); }));
    CHECK(late.ec == errc::peer_lost);

    over.reopen();
    v.start("receive");
    connect(v, over);
    CHECK(over.next_layer().peer_incarnation() != first);
    CHECK(run_until(v.io, [&] { return log.events.size() == 3; }));
    CHECK(log.events.back() == kind::connected);
}

TEST_CASE("reads and writes of a stream end with peer_lost") {
    beside_a_victim v;
    v.start("receive");
    ivshmem::asio::stream over{*v.survivor.slot, 1, 0};
    connect(v, over.channel());
    v.stop();
    std::string into(64, '\0');
    const std::string text(64, 'x');
    completion read;
    over.async_read_some(net::buffer(into), read.handler());
    completion written;
    do {
        written = {};
        over.async_write_some(net::buffer(text), written.handler());
        v.io.restart();
        v.io.run_for(5ms);
    } while (written.done());
    REQUIRE_FALSE(read.done());
    v.victim->signal(SIGKILL);
    CHECK(run_until(v.io, [&] { return read.done() && written.done(); }));
    CHECK(read.ec == errc::peer_lost);
    CHECK(written.ec == errc::peer_lost);
}

TEST_CASE("an acceptor goes on when a client is killed") {
    beside_a_victim v;
    ivshmem::asio::acceptor acceptor{*v.survivor.slot, "service"};
    for (int round = 0; round < 3; ++round) {
        v.start("ask");
        completion_of<channel> accepted;
        acceptor.async_accept(accepted.handler());
        REQUIRE(run_until(v.io, [&] { return accepted.done(); }));
        REQUIRE_FALSE(accepted.ec);
        completion_of<channel> next;
        acceptor.async_accept(next.handler());
        completion received;
        std::string into(64, '\0');
        accepted.value.async_receive(net::buffer(into), received.handler());
        v.victim->signal(SIGKILL);
        CHECK(run_until(v.io, [&] { return received.done(); }));
        CHECK(received.ec == errc::peer_lost);
        CHECK_FALSE(next.done());
        acceptor.close();
        CHECK(run_until(v.io, [&] { return next.done(); }));
        acceptor = {*v.survivor.slot, "service"};
    }
}

TEST_CASE("a connector forgets the offer of a peer that is killed") {
    beside_a_victim v;
    v.start("offer");
    REQUIRE(host::eventually([&] { return v.victim->output().starts_with("I "); }));
    v.victim->signal(SIGSTOP);
    completion_of<channel> connected;
    ivshmem::asio::async_connect(*v.survivor.slot, "service", connected.handler());
    v.io.run_for(50ms);
    REQUIRE_FALSE(connected.done());
    v.victim->signal(SIGKILL);
    v.io.restart();
    v.io.run_for(50ms);
    CHECK_FALSE(connected.done());
    v.start("offer");
    CHECK(run_until(v.io, [&] { return connected.done(); }));
    CHECK_FALSE(connected.ec);
}

TEST_CASE("a peer whose heart stops is lost, and returns") {
    const deadline limit;
    const host::running_server server{{"-l", "1M", "-n", "1"}};
    net::io_context io;
    net::io_context other_io;
    const auto claim = [&](net::io_context& on, const ivshmem::device& at, std::uint32_t number) {
        auto options = slot_with(number, {2, 1, 1024});
        options.heartbeat = 100ms;
        return ivshmem::asio::slot{on, at, options};
    };
    const auto device = open_device(server.socket());
    const auto other_device = open_device(server.socket());
    const auto slot = claim(io, device, 0);
    const auto other_slot = claim(other_io, other_device, 1);
    channel over{slot, 1, 0};
    channel back{other_slot, 0, 0};
    event_log log{over};
    event_log other_log{back};
    const auto both_until = [&](auto condition) {
        return host::eventually([&] {
            for (auto* const on : {&io, &other_io}) {
                on->restart();
                on->run_for(1ms);
            }
            return condition();
        });
    };
    REQUIRE(both_until([&] { return log.events.size() + other_log.events.size() == 2; }));
    const auto end = std::chrono::steady_clock::now() + 1s;
    CHECK(both_until([&] { return std::chrono::steady_clock::now() > end; }));
    CHECK(log.events == std::vector{kind::connected}); // both beat
    CHECK(other_log.events == std::vector{kind::connected});

    std::string into(64, '\0');
    completion received;
    over.async_receive(net::buffer(into), received.handler());
    REQUIRE(run_until(io, [&] { return received.done() && log.events.size() == 2; }));
    CHECK(received.ec == errc::peer_lost);
    CHECK(log.events.back() == kind::peer_lost);

    over.reopen(); // the other one runs again
    REQUIRE(both_until([&] { return other_log.events.size() == 2; }));
    CHECK(other_log.events.back() == kind::reset);
    back.reopen();
    CHECK(both_until([&] { return log.events.size() == 3 && other_log.events.size() == 3; }));
    CHECK(log.events.back() == kind::connected);
    CHECK(other_log.events.back() == kind::connected);
}
