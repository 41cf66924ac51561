// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Many vectors, many waits, and events.

#include "fixture.hpp"
#include "helpers/resources.hpp"

#include <map>
#include <memory>
#include <thread>

#include <unistd.h>

using namespace test;
using ivshmem::errc;
using ivshmem::event;
using kind = ivshmem::event::kind;
using ivshmem::asio::any_interrupt;
using ivshmem::asio::device_events;
using ivshmem::asio::interrupt;

TEST_CASE("all vectors at once: each ring once, each vector in turn") {
    const auto vectors = GENERATE(4U, 64U);
    asio_fixture f{vectors};
    any_interrupt any{f.io, f.s.dev};
    for (std::uint32_t vector = 0; vector < vectors; ++vector)
        for (std::uint32_t i = 0; i <= vector % 3; ++i)
            f.ring(vector);
    std::map<std::uint16_t, std::uint64_t> heard;
    for (std::uint32_t i = 0; i < vectors; ++i) {
        completion_of<ivshmem::interrupt_count> got;
        any.async_wait(got.handler());
        f.run();
        REQUIRE_FALSE(got.ec);
        heard[got.value.vector] += got.value.count;
    }
    CHECK(heard.size() == vectors);
    for (const auto& [vector, count] : heard)
        CHECK(count == vector % 3 + 1U);
    CHECK_FALSE(f.s.dev.take_any().has_value());
}

TEST_CASE("as many waits as vectors in one object complete together") {
    asio_fixture f{4};
    any_interrupt any{f.io, f.s.dev};
    std::vector<completion_of<ivshmem::interrupt_count>> got(4);
    for (auto& one : got)
        any.async_wait(one.handler());
    f.io.poll();
    for (std::uint32_t vector = 0; vector < 4; ++vector)
        f.ring(vector);
    f.run();
    for (const auto& one : got) {
        CHECK(one.calls == 1);
        CHECK(one.value.count == 1);
    }
}

TEST_CASE("of two objects on one vector, one takes the rings, the other keeps waiting") {
    asio_fixture f;
    interrupt a{f.io, f.s.dev, 0};
    interrupt b{f.io, f.s.dev, 0};
    completion first;
    completion second;
    const auto on_first = first.handler();
    const auto on_second = second.handler();
    // The object that was rung rings for the other one.
    a.async_wait([&](error_code ec, std::uint64_t count) {
        on_first(ec, count);
        if (second.calls == 0)
            f.ring();
    });
    b.async_wait([&](error_code ec, std::uint64_t count) {
        on_second(ec, count);
        if (first.calls == 0)
            f.ring();
    });
    f.io.poll();
    CHECK(first.calls + second.calls == 0);
    f.ring();
    f.run();
    CHECK(first.value == 1);
    CHECK(second.value == 1);
}

TEST_CASE("of two waits in one object, one takes the rings, the other keeps waiting") {
    asio_fixture f;
    interrupt irq{f.io, f.s.dev, 0};
    completion first;
    completion second;
    irq.async_wait(first.handler());
    irq.async_wait(second.handler());
    f.io.poll();
    f.ring();
    while (first.calls + second.calls == 0)
        f.io.run_one();
    f.io.poll();
    CHECK(first.calls + second.calls == 1);
    f.ring();
    f.run();
    CHECK(first.value == 1);
    CHECK(second.value == 1);
}

TEST_CASE("events come one by one, in order, then the error, every time") {
    asio_fixture f;
    device_events events{f.io, f.s.dev};
    const auto vectors = make_eventfds(2);
    completion_of<event> got;
    events.async_next(got.handler());
    f.s.side.link.send(4, vectors[0]); // not complete yet
    f.io.poll();
    CHECK(got.calls == 0);
    f.s.side.link.send(4, vectors[1]);
    f.run();
    CHECK(got.value == event{kind::peer_joined, 4});

    f.s.side.link.send(4);
    events.async_next(got.handler());
    f.run();
    CHECK(got.value == event{kind::peer_left, 4});

    events.async_next(got.handler());
    f.s.side.link.close();
    f.run();
    CHECK(got.value == event{kind::server_gone, 0});
    CHECK_FALSE(got.ec);
    for (int i = 0; i < 2; ++i) {
        got = {};
        events.async_next(got.handler());
        f.run();
        CHECK(got.calls == 1);
        CHECK(got.ec == errc::server_closed);
    }
}

TEST_CASE("a cancelled read of events loses none") {
    asio_fixture f;
    device_events events{f.io, f.s.dev};
    completion_of<event> got;
    events.async_next(got.handler());
    const auto vectors = make_eventfds(2);
    join(f.s.side.link, 4, vectors);
    events.cancel();
    f.run();
    CHECK(got.ec == boost::asio::error::operation_aborted);
    events.async_next(got.handler());
    f.run();
    CHECK(got.value == event{kind::peer_joined, 4});
}

TEST_CASE("waiting objects take a descriptor each and return it") {
    asio_fixture f{4};
    std::error_code ec;
    interrupt irq{f.io};
    {
        const descriptor_limit tight{0};
        irq.open(f.s.dev, 0, ec);
        CHECK(ec == errc::descriptor_limit);
        CHECK_THROWS_AS(irq.open(f.s.dev, 0), ivshmem::error);
    }
    completion got;
    irq.async_wait(got.handler());
    f.run();
    CHECK(got.ec == errc::descriptor_limit);
    irq.open(f.s.dev, 0);
    const auto before = resources::now();
    for (int i = 0; i < 100; ++i) {
        irq.open(f.s.dev, 1);
        const any_interrupt any{f.io, f.s.dev};
        const device_events events{f.io, f.s.dev};
    }
    CHECK(resources::now() == before);
}

TEST_CASE("waits for rings read the server's messages, and continue") {
    asio_fixture f;
    interrupt zero{f.io, f.s.dev, 0};
    interrupt one{f.io, f.s.dev, 1};
    any_interrupt any{f.io, f.s.dev};
    std::vector<completion> got(2);
    completion_of<ivshmem::interrupt_count> of_any;
    SECTION("of one vector, twice in one object") {
        zero.async_wait(got[0].handler());
        zero.async_wait(got[1].handler());
    }
    SECTION("of two vectors") {
        zero.async_wait(got[0].handler());
        one.async_wait(got[1].handler());
    }
    SECTION("of all vectors") {
        any.async_wait(of_any.handler());
    }
    const auto calls = [&] {
        return got[0].calls + got[1].calls + of_any.calls;
    };
    f.io.poll();
    std::thread server{[&] {
        // Far more than a socket holds: the server blocks if no client reads.
        for (int i = 0; i < 3000; ++i) {
            f.s.side.link.send(100, f.s.side.own[0]);
            f.s.side.link.send(100);
        }
        f.s.side.link.close();
        const std::uint64_t ring = 1;
        static_cast<void>(!::write(f.s.side.own[0].get(), &ring, sizeof ring));
    }};
    while (calls() == 0)
        f.io.run_one_for(std::chrono::seconds{30});
    server.join();
    f.io.poll();
    CHECK(calls() == 1); // the end of the server ends no wait
    zero.cancel();
    one.cancel();
    any.cancel();
    f.run(); // no work is left in the loop
    CHECK(calls() == (of_any.calls != 0 ? 1 : 2));
}
