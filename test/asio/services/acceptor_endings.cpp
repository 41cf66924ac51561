// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The request of a client after its connection has ended, after the client started again, and on a
// lane that the peer opened by its number.

#include "crowd.hpp"

#include <array>

using namespace test;
using ivshmem::asio::acceptor;
using peer_state = ivshmem::channel_state;

namespace {

/// Receives one message, or the error if there is none.
std::string receive(crowd& c, channel& from, error_code& ec) {
    std::string into(100, '\0');
    completion got;
    from.async_receive(net::buffer(into), got.handler());
    CHECK(c.until([&] { return got.done(); }));
    ec = got.ec;
    return into.substr(0, got.value);
}

/// A client without an event loop that asks for a service.
struct by_hand {
    by_hand(crowd& c, const std::string& service, std::uint32_t lane)
        : crowd_{c}, channel{open(c, service, lane)} {}
    static ivshmem::channel open(crowd& c, const std::string& service, std::uint32_t lane) {
        const auto& from = c.slot(1).next_layer();
        ivshmem::channel_options options;
        options.service = ivshmem::service_directory{from}.find_service(service).key;
        return ivshmem::channel::open(from, 0, lane, options);
    }
    void update() {
        for (int i = 0; i < 4; ++i)
            channel.update();
    }
    /// Polls until a condition holds.
    template <typename Condition>
    bool until(Condition&& condition) {
        for (int i = 0; i < 200 && !condition(); ++i) {
            crowd_.io.restart();
            crowd_.io.run_for(std::chrono::milliseconds{2});
            channel.update();
        }
        return condition();
    }

  private:
    crowd& crowd_;

  public:
    ivshmem::channel channel;
};

/// Accepts clients repeatedly, sends each a message, and closes.
struct says_bye {
    says_bye(crowd& c, bool wait) : offered{c.slot(0), "bye"}, drain{wait} { accept(); }
    void accept() {
        offered.async_accept([this](error_code ec, channel made) {
            if (ec)
                return;
            ++accepted;
            last = std::move(made);
            last.async_send(net::buffer("bye", 3), [this](error_code, std::size_t) {
                if (drain)
                    last.async_drain([this](error_code) { last.close(); });
                else
                    last.close();
            });
            accept();
        });
    }

    acceptor offered;
    channel last{offered.get_executor()};
    bool drain;
    int accepted = 0;
};

} // namespace

TEST_CASE("a client whose server closed first receives its messages, then the end") {
    crowd c{2, 2, 2};
    says_bye server{c, GENERATE(false, true)};
    for (int round = 1; round <= 4; ++round) { // more than there are lanes
        meeting client;
        ask(c.slot(1), "bye", client);
        REQUIRE(c.until([&] { return client.done(); }));
        REQUIRE_FALSE(client.ec);
        if (round % 2 == 0)
            c.settle();
        error_code ec;
        CHECK(receive(c, client.value, ec) == "bye");
        CHECK_FALSE(ec);
        for (int i = 0; i < 2; ++i) {
            CHECK(receive(c, client.value, ec).empty());
            CHECK(ec == errc::channel_closed);
            c.settle();
        }
        CHECK(server.accepted == round);
        client.value.close();
    }
}

TEST_CASE("a client that does not close is accepted once, until it asks again") {
    crowd c{2, 2, 2};
    says_bye server{c, false};
    meeting silent;
    ask(c.slot(1), "bye", silent);
    REQUIRE(c.until([&] { return silent.done() && !server.last.is_open(); }));
    // Events that make the acceptor look.
    for (int i = 0; i < 5; ++i) {
        if (i == 3)
            silent.value.finish();
        meeting other;
        ask(c.slot(1), "bye", other);
        REQUIRE(c.until([&] { return other.done() && server.accepted == 2 + i; }));
        error_code ec;
        CHECK(receive(c, other.value, ec) == "bye");
        c.settle();
        CHECK(server.accepted == 2 + i);
    }
    CHECK(silent.value.next_layer().update() == peer_state::connected);
    error_code ec;
    CHECK(receive(c, silent.value, ec) == "bye");
    CHECK(receive(c, silent.value, ec).empty());
    CHECK(ec == errc::channel_closed);
    silent.value.reopen();
    completion again;
    silent.value.async_connect(again.handler());
    CHECK(c.until([&] { return again.done(); }));
    CHECK_FALSE(again.ec);
    CHECK(receive(c, silent.value, ec) == "bye");
    c.settle();
    CHECK(server.accepted == 7);
}

TEST_CASE("the second client in line is accepted after it started again") {
    const bool cancelled = GENERATE(false, true);
    const int steps = GENERATE(0, 1, 2, 3, 4, 5, 6);
    INFO("steps " << steps << ", cancelled " << cancelled);
    crowd c{2, 2, 2};
    acceptor offered{c.slot(0), "service"};
    std::array<meeting, 3> accepted;
    by_hand slow{c, "service", 0};
    by_hand quick{c, "service", 1};
    offered.async_accept(accepted[0].handler());
    quick.update();
    c.io.restart();
    for (int i = 0; i < steps; ++i) // the acceptor sees the second client, and is about to take it
        c.io.poll_one();
    slow.update();
    if (cancelled)
        offered.cancel();
    CHECK(slow.until([&] { return accepted[0].done(); }));
    const bool took_slow = !accepted[0].ec && accepted[0].value.next_layer().lane() == 0;
    by_hand& left = took_slow ? quick : slow;
    slow.update();
    quick.update();
    left.channel.reopen();
    left.update();
    // If none was accepted before, both must be accepted now.
    offered.async_accept(accepted[1].handler());
    if (accepted[0].ec)
        offered.async_accept(accepted[2].handler());
    CHECK(left.until([&] {
        quick.channel.update();
        slow.channel.update();
        return accepted[1].done() && (!accepted[0].ec || accepted[2].done());
    }));
    CHECK(left.channel.state() == peer_state::connected);
    REQUIRE(left.channel.try_send(std::as_bytes(std::span{"next", 4})));
    bool heard = false;
    for (auto& one : accepted) {
        if (one.value.is_open() && one.value.next_layer().lane() == left.channel.lane()) {
            error_code ec;
            heard = receive(c, one.value, ec) == "next";
        }
    }
    CHECK(heard);
}

TEST_CASE("a lane that is opened by its number does not answer a request by name") {
    crowd c{2, 4, 2};
    acceptor offered{c.slot(0), "service"};
    meeting connected;
    ask(c.slot(1), "service", connected);
    c.settle();
    CHECK(connected.calls == 0);
    // On the lane of the request.
    channel plain{c.slot(0), 1, 3};
    completion met;
    plain.async_connect(met.handler());
    c.settle();
    CHECK((!connected.done() || connected.ec));
    CHECK(plain.next_layer().state() != peer_state::connected);
    CHECK((!met.done() || met.ec));
    if (GENERATE(true, false))
        plain.close();
    c.settle();
    CHECK((!connected.done() || connected.ec));
    if (connected.done()) { // the client noticed it, and asks again
        connected = {};
        ask(c.slot(1), "service", connected);
    }
    meeting accepted;
    offered.async_accept(accepted.handler());
    c.settle();
    if (plain.is_open() && !connected.done()) { // its lane stays in use until then
        CHECK(accepted.calls == 0);
        plain.close();
        offered.cancel();
        CHECK(c.until([&] { return accepted.done(); }));
        accepted = {};
        offered.async_accept(accepted.handler());
    }
    CHECK(c.until([&] { return accepted.done() && connected.done(); }));
    CHECK_FALSE(accepted.ec);
    CHECK_FALSE(connected.ec);
    c.pass(connected.value, accepted.value, "hello");
    c.pass(accepted.value, connected.value, "hello to you");
}
