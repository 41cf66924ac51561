// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The messages of a server after the greeting, correct and incorrect.

#include "helpers/catch.hpp"
#include "helpers/deadline.hpp"
#include "helpers/fake_server.hpp"
#include "helpers/readable.hpp"
#include "helpers/resources.hpp"

#include <algorithm>
#include <array>
#include <thread>

#include <sys/socket.h>

using namespace test;
using ivshmem::errc;
using ivshmem::event;
using kind = ivshmem::event::kind;
using ids = std::vector<std::uint16_t>;

namespace {

/// Returns all pending events, in order, and the error that ended them, if any.
std::vector<event> events(ivshmem::device& dev, std::error_code& ec) {
    std::vector<event> all;
    while (auto next = dev.next_event(ec))
        all.push_back(*next);
    return all;
}
std::vector<event> events(ivshmem::device& dev) {
    std::error_code ec;
    auto all = events(dev, ec);
    CHECK_FALSE(ec);
    return all;
}

constexpr greeting two_vectors{7, 2, {}};

} // namespace

TEST_CASE("peers of the greeting are no events") {
    session s{{7, 1, {3, 9}}};
    CHECK(s.dev.peers() == ids{3, 9});
    CHECK_FALSE(readable(s.dev.event_fd()));
    CHECK(events(s.dev).empty());
}

TEST_CASE("a wait for rings reads the server's messages, too") {
    const deadline limit;
    session s;
    std::thread server{[&] {
        // Far more than a socket holds: the server blocks if no client reads.
        for (int i = 0; i < 3000; ++i) {
            s.side.link.send(100, s.side.own[0]);
            s.side.link.send(100);
        }
        const std::uint64_t one = 1;
        static_cast<void>(!::write(s.side.own[0].get(), &one, sizeof one));
    }};
    const std::uint64_t rings = s.dev.wait(0, std::chrono::seconds{50});
    server.join();
    CHECK(rings == 1);
    CHECK(s.dev.peers().empty());
    CHECK(events(s.dev).empty()); // a peer that joined and left is not reported
    CHECK(s.dev.take(0) == 0);    // channels are woken by its end
    CHECK_FALSE(readable(s.dev.interrupt_fd(0)));
}

TEST_CASE("peers join when they have all of their vectors, and leave") {
    session s{two_vectors};
    const auto vectors = make_eventfds(2);
    s.side.link.send(4, vectors[0]);
    CHECK(events(s.dev).empty());
    CHECK_FALSE(readable(s.dev.event_fd()));
    s.side.link.send(4, vectors[1]);
    CHECK(readable(s.dev.event_fd()));
    CHECK(events(s.dev) == std::vector<event>{{kind::peer_joined, 4}});
    CHECK_FALSE(readable(s.dev.event_fd()));
    CHECK(s.dev.peers() == ids{4});

    s.side.link.send(4);
    CHECK(readable(s.dev.event_fd()));
    CHECK(s.dev.peers().empty()); // reads the socket; the event must not be lost
    CHECK(readable(s.dev.event_fd()));
    CHECK(events(s.dev) == std::vector<event>{{kind::peer_left, 4}});
    CHECK_FALSE(readable(s.dev.event_fd()));
}

TEST_CASE("a peer that joined and left between two reads is no event") {
    session s;
    const auto vectors = make_eventfds(1);
    for (int i = 0; i < 1000; ++i) {
        join(s.side.link, 4, vectors);
        s.side.link.send(4);
        static_cast<void>(s.dev.peers());
    }
    CHECK_FALSE(readable(s.dev.event_fd()));
    CHECK(events(s.dev).empty());
    join(s.side.link, 4, vectors);
    static_cast<void>(s.dev.peers());
    s.side.link.send(4);
    join(s.side.link, 4, vectors);
    CHECK(events(s.dev) ==
          std::vector<event>{{kind::peer_joined, 4}, {kind::peer_left, 4}, {kind::peer_joined, 4}});
}

TEST_CASE("a peer is rung on its own vectors, including new ones") {
    session s{{7, 2, {3}}};
    s.dev.ring(3, 1);
    CHECK(counter(s.side.others[0][0]) == 0);
    CHECK(counter(s.side.others[0][1]) == 1);
    const auto vectors = make_eventfds(2);
    join(s.side.link, 5, vectors); // no event was read before
    s.dev.ring(5, 0);
    CHECK(counter(vectors[0]) == 1);
    CHECK(counter(vectors[1]) == 0);
    s.side.link.send(5);
    static_cast<void>(s.dev.peers());
    s.dev.ring(5, 0);
    CHECK(counter(vectors[0]) == 0);
}

TEST_CASE("vectors of this process that arrive after `settle` are not used") {
    ivshmem::open_options one;
    one.vectors = 1;
    session s{{7, 3, {}}, one};
    CHECK(events(s.dev).empty());
    CHECK(s.dev.vectors() == 1);
    s.dev.ring(7, 2); // a vector that does not exist: no effect
    s.dev.ring(7, 0);
    CHECK(s.dev.wait(0, std::chrono::seconds{10}) == 1);
    CHECK(counter(s.side.own[2]) == 0);
}

TEST_CASE("a server that ends: waits continue, one event, then an error every time") {
    const deadline limit;
    session s{{7, 1, {3}}};
    errc wanted = errc::server_closed;
    SECTION("closes") {
        s.side.link.close();
    }
    SECTION("stops in the middle of a message") {
        s.side.link.send_bytes(std::array<unsigned char, 3>{1, 2, 3});
        s.side.link.close();
        wanted = errc::server_protocol;
    }
    SECTION("names a peer beyond 65535") {
        s.side.link.send(65536);
        wanted = errc::server_protocol;
    }
    SECTION("names a negative peer") {
        s.side.link.send(-1, make_memfd());
        wanted = errc::server_protocol;
    }
    SECTION("reports that an unknown peer left") {
        s.side.link.send(11);
        wanted = errc::server_protocol;
    }
    SECTION("reports that this process left") {
        s.side.link.send(7);
        wanted = errc::server_protocol;
    }
    SECTION("sends a file as a vector") {
        s.side.link.send(4, make_memfd());
        wanted = errc::server_protocol;
    }
    SECTION("sends two descriptors at once") {
        const auto vectors = make_eventfds(2);
        s.side.link.send(4, std::array{vectors[0].get(), vectors[1].get()});
        wanted = errc::server_protocol;
    }
    CHECK(readable(s.dev.event_fd()));
    CHECK(s.dev.next_event() == event{kind::server_gone, 0});
    for (int i = 0; i < 3; ++i) {
        CHECK(readable(s.dev.event_fd())); // a poll must see the error
        std::error_code ec;
        CHECK_FALSE(s.dev.next_event(ec).has_value());
        CHECK(ec == wanted);
        try {
            static_cast<void>(s.dev.next_event());
            FAIL("no error");
        } catch (const ivshmem::error& e) {
            CHECK(e.code() == wanted);
            CHECK(std::string{e.what()}.find(s.server.path()) != std::string::npos);
        }
    }
    CHECK(s.dev.peers() == ids{3});
    s.dev.ring(3, 0);
    CHECK(counter(s.side.others[0][0]) == 1);
    s.dev.ring(99, 0);
    s.dev.ring(7, 0);
    CHECK(s.dev.wait(0, std::chrono::seconds{10}) == 1);
    s.dev.memory()[memory_bytes - 1] = std::byte{1};
}

TEST_CASE("events before the end are reported before the end") {
    session s{{7, 1, {3}}};
    const auto vectors = make_eventfds(1);
    join(s.side.link, 4, vectors);
    s.side.link.send(3);
    s.side.link.close();
    std::error_code ec;
    CHECK(events(s.dev, ec) ==
          std::vector<event>{{kind::peer_joined, 4}, {kind::peer_left, 3}, {kind::server_gone, 0}});
    CHECK(ec == errc::server_closed);
}

TEST_CASE("a peer without free descriptors for its vectors") {
    session s{{7, 1, {3}}};
    const auto vectors = make_eventfds(1);
    join(s.side.link, 4, vectors);
    std::error_code ec;
    std::vector<event> got;
    {
        const descriptor_limit tight{0};
        got = events(s.dev, ec);
    }
    CHECK(got == std::vector<event>{{kind::server_gone, 0}});
    CHECK(ec == errc::descriptor_limit);
    CHECK(s.dev.peers() == ids{3});
}

TEST_CASE("a server that never stops sending blocks no caller") {
    const deadline limit;
    session s;
    const auto vectors = make_eventfds(1);
    const int number = vectors[0].get();
    // Fills the socket's buffer, and continues as soon as it is read.
    int room = 1 << 20;
    ::setsockopt(s.side.link.fd(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    for (int i = 0; i < 300; ++i) {
        REQUIRE(s.side.link.try_send(4, std::span{&number, 1}));
        REQUIRE(s.side.link.try_send(4));
        if (i % 50 == 49)
            CHECK_FALSE(s.dev.next_event().has_value());
    }
    s.dev.ring(7, 0);
    CHECK(s.dev.take(0) == 1);
}

TEST_CASE("a closed device returns all of its resources") {
    const auto before = resources::now();
    {
        session s{{7, 4, {3, 5}}};
        const auto vectors = make_eventfds(4);
        join(s.side.link, 9, vectors);
        CHECK(s.dev.peers() == ids{3, 5, 9});
        s.dev.close();
        s.dev.close();
    }
    CHECK(resources::now() == before);
}
