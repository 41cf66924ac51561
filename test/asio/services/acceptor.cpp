// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Services by name: peers that offer, peers that ask, and peers that come and go in between.

#include "crowd.hpp"

#include <deque>
#include <span>

using namespace test;
using ivshmem::asio::acceptor;

TEST_CASE("names that are invalid or taken are refused") {
    crowd c{2, 2, 2};
    acceptor offered{c.slot(0), "service"};
    const auto refused = [&](const std::string& name, errc why) {
        try {
            const acceptor again{c.slot(0), name};
            FAIL("the name was offered");
        } catch (const ivshmem::error& e) {
            CHECK(e.code() == why);
        }
    };
    refused("service", errc::service_exists);
    refused("", errc::bad_service_name);
    refused(std::string(60, 'n'), errc::bad_service_name);
    refused("a\nb", errc::bad_service_name);
    meeting bad;
    ask(c.slot(1), "", bad);
    CHECK(bad.calls == 0);
    meeting nowhere;
    ivshmem::asio::connect_options options;
    options.slot = 1; // its own slot
    ask(c.slot(1), "service", nowhere, options);
    CHECK(c.until([&] { return bad.done() && nowhere.done(); }));
    CHECK(bad.ec == errc::bad_service_name);
    CHECK(nowhere.ec == errc::slot_out_of_range);
    offered.close();
    const acceptor again{c.slot(0), "service"}; // the name is free again
    const acceptor longest{c.slot(0), std::string(59, 'n')};
}

TEST_CASE("each client reaches the service that it asked for, several at the same time") {
    crowd c{4, 4, 4};
    const std::string names[]{"one", "two",
                              "dr\xc3\xbc"
                              "ben"};
    std::deque<acceptor> acceptors;
    std::deque<meeting> accepted(9);
    std::deque<meeting> connected(9);
    for (std::size_t s = 0; s < 3; ++s) {
        acceptors.emplace_back(c.slot(0), names[s]);
        for (std::size_t i = 0; i < 3; ++i)
            acceptors.back().async_accept(accepted[3 * s + i].handler());
    }
    for (std::size_t client = 1; client < 4; ++client)
        for (std::size_t s = 0; s < 3; ++s)
            ask(c.slot(client), names[s], connected[3 * s + client - 1]);
    CHECK(c.until([&] {
        return std::all_of(connected.begin(), connected.end(), [](auto& m) { return m.done(); }) &&
               std::all_of(accepted.begin(), accepted.end(), [](auto& m) { return m.done(); });
    }));
    for (std::size_t i = 0; i < 9; ++i) {
        REQUIRE_FALSE(connected[i].ec);
        REQUIRE_FALSE(accepted[i].ec);
    }
    for (std::size_t s = 0; s < 3; ++s) {
        for (std::size_t i = 0; i < 3; ++i) {
            channel& server = accepted[3 * s + i].value;
            const std::uint32_t client = server.next_layer().peer_slot();
            c.pass(connected[3 * s + client - 1].value, server, names[s]);
        }
    }
}

TEST_CASE("a service may appear after a client has asked for it") {
    crowd c{3, 2, 1};
    meeting connected;
    meeting accepted;
    ask(c.slot(0), "late", connected);
    c.settle();
    CHECK(connected.calls == 0);
    acceptor other{c.join(1).slot.value(), "other"};
    c.settle();
    CHECK(connected.calls == 0);
    acceptor late{c.join(2).slot.value(), "late"};
    c.settle(); // requested, but not accepted yet
    CHECK(connected.calls == 0);
    late.async_accept(accepted.handler());
    CHECK(c.until([&] { return connected.done() && accepted.done(); }));
    CHECK(connected.value.next_layer().peer_slot() == 2);
    c.pass(connected.value, accepted.value, "hello");
}

TEST_CASE("the offering peer restarts while a client asks, or after it accepted") {
    crowd c{2, 2, 2};
    const bool before = GENERATE(false, true);
    meeting connected;
    std::optional<acceptor> offered{std::in_place, c.slot(0), "service"};
    meeting first;
    if (!before)
        offered->async_accept(first.handler());
    ask(c.slot(1), "service", connected);
    if (!before)
        CHECK(c.until([&] { return first.done() && connected.done(); }));
    c.settle();
    first.value = channel{c.io};
    offered.reset();
    c.peers[0].slot.reset();
    c.settle();
    c.peers[0].slot.emplace(c.io, c.peers[0].device, slot_with(0, c.geometry));
    const acceptor another{c.slot(0), "another"}; // takes the key of the former service
    offered.emplace(c.slot(0), "service");
    meeting second;
    offered->async_accept(second.handler());
    if (!before) {
        completion ended;
        std::string into(10, '\0');
        connected.value.async_receive(net::buffer(into), ended.handler());
        CHECK(c.until([&] { return ended.done(); }));
        CHECK((ended.ec == errc::channel_reset || ended.ec == errc::channel_closed));
        connected.value = channel{c.io};
        connected.calls = 0;
        ask(c.slot(1), "service", connected);
    }
    CHECK(c.until([&] { return second.done() && connected.done(); }));
    c.pass(connected.value, second.value, "next");
}

TEST_CASE("a client goes away before it is accepted; the next one is accepted") {
    crowd c{3, 1, 2};
    acceptor offered{c.slot(0), "service"};
    meeting given_up;
    net::cancellation_signal stop;
    ivshmem::asio::async_connect(c.slot(1), "service",
                                 net::bind_cancellation_slot(stop.slot(), given_up.handler()));
    c.settle();
    meeting accepted;
    SECTION("cancelled before it is seen") {
        stop.emit(net::cancellation_type::terminal);
        CHECK(c.until([&] { return given_up.done(); }));
        CHECK(given_up.ec == net::error::operation_aborted);
        offered.async_accept(accepted.handler());
    }
    SECTION("cancelled while it is being accepted") {
        offered.async_accept(accepted.handler());
        c.io.poll_one();
        stop.emit(net::cancellation_type::total);
        CHECK(c.until([&] { return given_up.done(); }));
        if (!given_up.ec) { // the cancellation was too late
            given_up.value.close();
            CHECK(c.until([&] { return accepted.done(); }));
            accepted.value = channel{c.io};
            accepted.calls = 0;
            offered.async_accept(accepted.handler());
        }
    }
    SECTION("its slot is given back") {
        c.peers[1].slot.reset();
        offered.async_accept(accepted.handler());
        CHECK(c.until([&] { return given_up.done(); }));
        CHECK(given_up.ec == errc::closed);
    }
    c.settle();
    CHECK(accepted.calls == 0);
    meeting next;
    ask(*c.join(2).slot, "service", next);
    CHECK(c.until([&] { return next.done() && accepted.done(); }));
    CHECK_FALSE(next.ec);
    c.pass(next.value, accepted.value, "next");
}

TEST_CASE("after a cancelled accept the next one accepts the client") {
    crowd c{2, 2, 2};
    acceptor offered{c.slot(0), "service"};
    meeting cancelled[3];
    net::cancellation_signal stop;
    offered.async_accept(net::bind_cancellation_slot(stop.slot(), cancelled[0].handler()));
    offered.async_accept(cancelled[1].handler());
    c.settle();
    stop.emit(GENERATE(net::cancellation_type::terminal, net::cancellation_type::partial,
                       net::cancellation_type::total));
    c.settle();
    CHECK(cancelled[0].ec == net::error::operation_aborted);
    CHECK(cancelled[1].calls == 0);
    meeting connected;
    ask(c.slot(1), "service", connected);
    c.io.poll_one();
    offered.cancel();
    CHECK(c.until([&] { return cancelled[1].done(); }));
    meeting accepted;
    offered.async_accept(accepted.handler());
    CHECK(c.until([&] { return connected.done(); }));
    channel& taken = cancelled[1].ec ? accepted.value : cancelled[1].value;
    CHECK(c.until([&] { return taken.is_open(); }));
    c.pass(connected.value, taken, "hello");
    offered.async_accept(cancelled[2].handler());
    offered.close();
    CHECK(c.until([&] { return cancelled[2].done(); }));
    CHECK(cancelled[2].ec == net::error::operation_aborted);
    c.pass(taken, connected.value, "goes on");
}

TEST_CASE("a message of a client that connects, sends and closes at once is received") {
    crowd c{2, 1, 2};
    acceptor offered{c.slot(0), "service"};
    channel client{c.io};
    for (int i = 0; i < 3; ++i) {
        meeting accepted;
        offered.async_accept(accepted.handler());
        ivshmem::asio::async_connect(c.slot(1), "service", [&](error_code ec, channel made) {
            CHECK_FALSE(ec);
            made.next_layer().try_send(std::as_bytes(std::span{"hello", 5}));
            client = std::move(made);
            client.close();
        });
        CHECK(c.until([&] { return accepted.done(); }));
        std::string into(10, '\0');
        completion got;
        accepted.value.async_receive(net::buffer(into), got.handler());
        CHECK(c.until([&] { return got.done(); }));
        CHECK(into.substr(0, got.value) == "hello");
    }
}
