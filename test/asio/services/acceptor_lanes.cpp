// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Services by name with few lanes, and with all peers asking all others at the same time.

#include "crash.hpp"
#include "crowd.hpp"

#include <csignal>
#include <deque>
#include <set>
#include <sstream>

using namespace test;
using ivshmem::asio::acceptor;

TEST_CASE("both sides offer and ask at the same time") {
    const std::uint32_t lanes = GENERATE(1U, 2U, 3U);
    crowd c{2, lanes, 2};
    std::deque<acceptor> offered;
    for (std::size_t i = 0; i < 2; ++i)
        offered.emplace_back(c.slot(i), "service");
    for (int round = 0; round < 30; ++round) {
        meeting connected[2];
        meeting accepted[2];
        net::cancellation_signal stop[2];
        for (std::size_t i = 0; i < 2; ++i) {
            const std::size_t side = (i + static_cast<std::size_t>(round)) % 2;
            offered[side].async_accept(
                net::bind_cancellation_slot(stop[side].slot(), accepted[side].handler()));
            ask(c.slot(side), "service", connected[side]);
            for (int steps = round / 2 % 5; steps > 0; --steps)
                c.io.poll_one();
        }
        REQUIRE(c.until([&] { return connected[0].done() && connected[1].done(); }));
        unsigned made = 0;
        for (std::size_t i = 0; i < 2; ++i) {
            if (connected[i].ec) { // the one lane is taken
                CHECK(lanes == 1);
                CHECK(connected[i].ec == errc::lane_in_use);
                continue;
            }
            ++made;
            REQUIRE(c.until([&] { return accepted[1 - i].done(); }));
            c.pass(connected[i].value, accepted[1 - i].value, "ask");
            c.pass(accepted[1 - i].value, connected[i].value, "answer");
        }
        CHECK(made >= 1);
        for (auto& s : stop)
            s.emit(net::cancellation_type::terminal);
        c.settle();
    }
}

TEST_CASE("without a free lane a request fails with errc::lane_in_use") {
    crowd c{2, 2, 2};
    acceptor offered{c.slot(0), "service"};
    std::deque<meeting> accepted(3);
    std::deque<meeting> connected(3);
    for (std::size_t i = 0; i < 2; ++i) {
        offered.async_accept(accepted[i].handler());
        ask(c.slot(1), "service", connected[i]);
    }
    CHECK(c.until([&] { return accepted[1].done() && connected[1].done(); }));
    ask(c.slot(1), "service", connected[2]);
    CHECK(connected[2].calls == 0);
    CHECK(c.until([&] { return connected[2].done(); }));
    CHECK(connected[2].ec == errc::lane_in_use);
    CHECK_FALSE(connected[2].value.is_open());
    // A lane that both sides have closed is free again.
    const auto lane = connected[0].value.next_layer().lane();
    connected[0].value.close();
    for (std::size_t i = 0; i < 2; ++i)
        if (accepted[i].value.next_layer().lane() == lane)
            accepted[i].value.close();
    connected[2] = {};
    offered.async_accept(accepted[2].handler());
    ask(c.slot(1), "service", connected[2]);
    CHECK(c.until([&] { return connected[2].done() && accepted[2].done(); }));
    CHECK_FALSE(connected[2].ec);
    c.pass(connected[2].value, accepted[2].value, "again");
}

TEST_CASE("processes that ask or offer are killed at any time") {
    const bool asks = GENERATE(true, false);
    const deadline limit{60};
    const host::running_server server{{"-l", "1M", "-n", "1"}};
    net::io_context io;
    peer own{io, open_device(server.socket()), 0, crash::geometry};
    std::optional<acceptor> offered;
    if (asks)
        offered.emplace(*own.slot, "service");
    meeting met;
    completion ended;
    std::string into(10, '\0');
    int met_and_lost = 0;
    const std::function<void()> meet = [&] {
        met = {};
        const auto then = [&](error_code ec, channel made) {
            met.handler()(ec, std::move(made));
            ended = {};
            met.value.async_receive(net::buffer(into), [&](error_code why, std::size_t size) {
                ended.handler()(why, size);
                met_and_lost += why == errc::peer_lost ? 1 : 0;
                meet(); // closes the channel to the dead process
            });
        };
        if (asks)
            offered->async_accept(then);
        else
            ivshmem::asio::async_connect(*own.slot, "service", then);
    };
    meet();
    const auto start = [&](int number) {
        const std::vector<std::string> command{PEER, asks ? "ask" : "offer", server.socket(), "0"};
        return std::make_unique<host::process>(command,
                                               server.folder / ("peer" + std::to_string(number)));
    };
    for (int i = 0; i < 20; ++i) {
        const auto victim = start(i);
        io.restart();
        io.run_for(std::chrono::milliseconds{20 + i * 4});
        victim->signal(SIGKILL);
        REQUIRE(victim->wait() == 128 + SIGKILL);
    }
    const auto last = start(20);
    std::string incarnation;
    CHECK(run_until(io, [&] {
        std::istringstream said{last->output()};
        for (std::string what; said >> what >> incarnation && what != "A";)
            incarnation.clear();
        return met.value.is_open() && !ended.done() &&
               incarnation == std::to_string(met.value.next_layer().peer_incarnation());
    }));
    WARN(met_and_lost << " of 20 connected before they were killed");
}

TEST_CASE("sixteen peers connect to each other by name, and pass a message each way") {
    constexpr std::size_t count = 16;
    crowd c{count, 2, count};
    std::deque<acceptor> offered;
    std::deque<meeting> accepted(count * count);
    std::deque<meeting> connected(count * count);
    for (std::size_t i = 0; i < count; ++i) {
        offered.emplace_back(c.slot(i), "service of " + std::to_string(i));
        for (std::size_t other = 0; other + 1 < count; ++other)
            offered.back().async_accept(accepted[i * count + other].handler());
    }
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t other = 0; other < count; ++other)
            if (other != i)
                ask(c.slot(i), "service of " + std::to_string(other), connected[i * count + other]);
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(c.until([&] {
        std::size_t done = 0;
        for (std::size_t i = 0; i < connected.size(); ++i)
            done += (connected[i].done() ? 1U : 0U) + (accepted[i].done() ? 1U : 0U);
        return done == 2 * count * (count - 1);
    }));
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begin);
    std::size_t received = 0;
    std::deque<std::string> texts;
    std::deque<std::string> buffers;
    for (std::size_t i = 0; i < count; ++i) {
        std::set<std::size_t> senders;
        for (std::size_t other = 0; other < count; ++other) {
            meeting& asked = connected[i * count + other];
            if (asked.done()) {
                REQUIRE_FALSE(asked.ec);
                CHECK(asked.value.next_layer().peer_slot() == other);
                const auto& text = texts.emplace_back(std::to_string(i * 100 + other));
                asked.value.async_send(net::buffer(text), [](error_code, std::size_t) {});
            }
            meeting& met = accepted[i * count + other];
            if (!met.done())
                continue;
            REQUIRE_FALSE(met.ec);
            const std::size_t peer = met.value.next_layer().peer_slot();
            senders.insert(peer);
            auto& buffer = buffers.emplace_back(10, '\0');
            met.value.async_receive(net::buffer(buffer), [&, peer, i](error_code ec, auto size) {
                CHECK_FALSE(ec);
                CHECK(buffer.substr(0, size) == std::to_string(peer * 100 + i));
                ++received;
            });
        }
        CHECK(senders.size() == count - 1);
    }
    CHECK(c.until([&] { return received == count * (count - 1); }));
    WARN(count * (count - 1) << " connections by name in " << took.count() << " ms");
}
