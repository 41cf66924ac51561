// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Connections by name, and slots, whose Nth step fails, for all N and every kind of failure.

#include "crowd.hpp"
#include "helpers/failing.hpp"

#include <ivshmem/asio/detail/acceptor_state.hpp>

#include <algorithm>
#include <optional>
#include <vector>

using namespace test;
using ivshmem::asio::acceptor;

namespace {

/// Accepts channels one after another.
struct accepting {
    explicit accepting(acceptor& of) : offered{of} { next(); }

    void next() {
        offered.async_accept([this](error_code ec, channel made) {
            if (ec)
                return;
            accepted.push_back(std::move(made));
            next();
        });
    }
    /// The other end of a channel.
    channel* other(const channel& of) {
        for (auto& each : accepted)
            if (each.next_layer().lane() == of.next_layer().lane() &&
                each.next_layer().update() == ivshmem::channel_state::connected)
                return &each;
        return nullptr;
    }

    acceptor& offered;
    std::vector<channel> accepted{};
};

/// A handler that takes a channel, and then fails as planned.
struct taking : failing_handler {
    taking(net::io_context& io, countdown& steps, ending& end, channel& into)
        : failing_handler{io, steps, end, ""}, made{&into} {}

    void operator()(error_code ec, channel c) {
        *made = std::move(c);
        failing_handler::operator()(ec);
    }

    channel* made;
};

} // namespace

TEST_CASE("an acceptor continues after an async_accept() whose Nth step failed") {
    const failing how = GENERATE(from_range(std::begin(every_way), std::end(every_way)));
    INFO(how);
    crowd c{2, 4, 2};
    acceptor offered{c.slot(0), "service"};
    int step = 0;
    for (bool fired = true; fired && step < (how == failing::called ? 3 : 100); ++step) {
        INFO("step " << step);
        countdown steps{how, how == failing::called ? -1 : step};
        countdown good{how, -1};
        good.fired = true;
        ending first;
        ending second;
        channel made[2] = {channel{c.io}, channel{c.io}};
        start_failing([&] { offered.async_accept(taking{c.io, steps, first, made[0]}); });
        offered.async_accept(taking{c.io, good, second, made[1]});
        meeting client;
        ask(c.slot(1), "service", client);
        CHECK(run_through_failures(
            c.io, [&] { return client.done() && (first.called || second.called); }));
        CHECK_FALSE(client.ec);
        if (!second.called) {
            if (how != failing::cancelled)
                CHECK_FALSE(first.ec);
            if (!first.ec)
                c.pass(made[0], client.value, "first");
            client.value.close();
            made[0].close();
            meeting next;
            ask(c.slot(1), "service", next);
            CHECK(run_through_failures(c.io, [&] { return next.done() && second.called; }));
            client.value = std::move(next.value);
        }
        CHECK_FALSE(second.ec);
        c.pass(made[1], client.value, "second");
        CHECK(run_through_failures(c.io, [&] { return first.alive.expired(); }));
        fired = steps.fired;
    }
    CHECK(step > 1);
    CHECK(step < 100);
    c.io.restart();
    CHECK(c.io.run_for(std::chrono::milliseconds{20}) < 50);
}

TEST_CASE("a lane is free again after an async_connect() whose Nth step failed") {
    const failing how = GENERATE(from_range(std::begin(every_way), std::end(every_way)));
    const bool late = GENERATE(false, true);
    INFO(how << (late ? ", offered late" : ""));
    crowd c{2, 4, 2};
    std::optional<acceptor> offered;
    std::optional<accepting> server;
    int step = 0;
    for (bool fired = true; fired && step < (how == failing::called ? 9 : 100); ++step) {
        INFO("step " << step);
        const auto offer = [&] {
            server.emplace(offered.emplace(c.slot(0), "service"));
        };
        if (!late)
            offer();
        countdown steps{how, how == failing::called ? -1 : step};
        countdown good{how, -1};
        good.fired = true;
        ending first;
        ending second;
        channel made[2] = {channel{c.io}, channel{c.io}};
        start_failing([&] {
            ivshmem::asio::async_connect(c.slot(1), "service", taking{c.io, steps, first, made[0]});
        });
        ivshmem::asio::async_connect(c.slot(1), "service", taking{c.io, good, second, made[1]});
        start_failing([&] {
            c.io.restart();
            c.io.poll();
        });
        if (late)
            offer();
        CHECK(run_through_failures(c.io, [&] { return second.called && first.alive.expired(); }));
        CHECK_FALSE(second.ec);
        channel* other = nullptr;
        CHECK(run_through_failures(c.io,
                                   [&] { return (other = server->other(made[1])) != nullptr; }));
        if (other != nullptr)
            c.pass(*other, made[1], "second");
        fired = steps.fired;
        offered->cancel();
        c.settle();
        server.reset();
        offered.reset();
    }
    CHECK(step > 1);
    CHECK(step < 100);
}

TEST_CASE("an acceptor whose constructor fails leaves no offer") {
    crowd c{2, 2, 2};
    ivshmem::channel_options options;
    options.vector = 1; // not the slot's
    CHECK_THROWS_AS(acceptor(c.slot(0), "service", options), ivshmem::error);
    std::error_code ec;
    const auto look = [&] {
        static_cast<void>(
            ivshmem::service_directory{c.slot(1).next_layer()}.find_service("service", {}, ec));
    };
    look();
    CHECK(ec == errc::service_unknown);
    acceptor offered{c.slot(0), "service"}; // the name is free
    look();
    CHECK_FALSE(ec);
    CHECK_THROWS_AS(acceptor(c.slot(0), "service"), ivshmem::error);
    look();
    CHECK_FALSE(ec);
}

TEST_CASE("a channel or stream whose constructor fails leaves no lane open") {
    crowd c{2, 1, 2};
    ivshmem::channel_options options;
    options.vector = 1;
    CHECK_THROWS_AS(channel(c.slot(0), 1, 0, options), ivshmem::error);
    CHECK_THROWS_AS(ivshmem::asio::stream(c.slot(0), 1, 0, options), ivshmem::error);
    CHECK_NOTHROW(channel(c.slot(0), 1, 0));
}

namespace {

using unreliable = failing_executor<>;

/// Starts an operation again as long as its handler is dropped.
template <typename Start>
bool repeat(net::io_context& io, Start&& start) {
    for (int i = 0; i < 50; ++i) {
        auto called = std::make_shared<bool>(false);
        const std::weak_ptr<bool> alive = called;
        bool done = false;
        start_failing([&] {
            start([called, &done](error_code ec, auto&&...) {
                CHECK_FALSE(ec);
                done = true;
            });
        });
        called.reset();
        if (!run_through_failures(io, [&] { return done || alive.expired(); }))
            return false;
        if (done)
            return true;
    }
    return false;
}

} // namespace

TEST_CASE("a slot continues after its executor dropped the Nth handler, or threw at it") {
    const failing how = GENERATE(failing::dropped, failing::thrown);
    const bool interrupts = GENERATE(true, false);
    INFO(how << (interrupts ? "" : ", polling"));
    host::running_server server{{"-l", "4M", "-n", "1"}};
    const ivshmem::region_geometry geometry{2, 2, 1024};
    net::io_context io;
    peer right{io, open_device(server.socket()), 1, geometry};
    ivshmem::channel_options options;
    options.polling = !interrupts;
    const auto device = open_device(server.socket());
    for (int step = 0; step < 60; ++step) {
        INFO("step " << step);
        countdown steps{how, step};
        std::optional<ivshmem::asio::basic_slot<unreliable>> left;
        start_failing([&] {
            left.emplace(unreliable{io.get_executor(), steps}, device, slot_with(0, geometry));
        });
        if (!left)
            continue;
        ivshmem::asio::basic_channel<unreliable> a{*left, 1, 0, options};
        channel b = right.open(0, 0, options);
        CHECK(repeat(io, [&](auto handler) { a.async_connect(handler); }));
        for (int i = 0; i < 5; ++i) {
            std::string into(100, '\0');
            completion got;
            b.async_receive(net::buffer(into), got.handler());
            CHECK(
                repeat(io, [&](auto handler) { a.async_send(net::buffer("forth", 5), handler); }));
            CHECK(run_through_failures(io, [&] { return got.done(); }));
            CHECK(into.substr(0, got.value) == "forth");
            completion sent;
            b.async_send(net::buffer("back", 4), sent.handler());
            CHECK(run_through_failures(io, [&] { return sent.done(); }));
            CHECK(repeat(io, [&](auto handler) { a.async_wait(handler); }));
            std::error_code ec;
            while (a.next_layer().try_receive(std::as_writable_bytes(std::span{into}), ec)) {
            }
        }
        if (step < 5)
            CHECK(steps.fired);
    }
}
