// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "client.hpp"
#include "helpers/catch.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// The order of the server's messages: docs/specs/ivshmem-spec.rst of QEMU, "Client-Server
// protocol".

using namespace host;
using ivshmem::unique_fd;

namespace {

/// Receives the eventfds of this peer, which must be the next messages.
std::vector<unique_fd> eventfds(raw_client& c, std::int64_t peer, std::size_t vectors) {
    std::vector<unique_fd> fds;
    for (std::size_t i = 0; i < vectors; ++i) {
        auto m = c.next();
        CHECK(m.value == peer);
        REQUIRE(m.fd);
        fds.push_back(std::move(m.fd));
    }
    return fds;
}

/// Receives the first messages, and returns the shared memory.
unique_fd memory(raw_client& c, std::int64_t id) {
    const auto version = c.next();
    CHECK(version.value == 0);
    CHECK_FALSE(version.fd);
    const auto own = c.next();
    CHECK(own.value == id);
    CHECK_FALSE(own.fd);
    auto shared = c.next();
    CHECK(shared.value == -1);
    REQUIRE(shared.fd);
    return std::move(shared.fd);
}

void check_departure(raw_client& c, std::int64_t id) {
    const auto m = c.next();
    CHECK(m.value == id);
    CHECK_FALSE(m.fd);
}

/// Rings an eventfd, and returns the indices of the candidates that were rung.
std::vector<std::size_t> rung(const unique_fd& bell, const std::vector<unique_fd>& candidates) {
    const std::uint64_t once = 1;
    REQUIRE(::write(bell.get(), &once, sizeof once) == sizeof once);
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        std::uint64_t count = 0;
        if (::read(candidates[i].get(), &count, sizeof count) == sizeof count) {
            CHECK(count == 1);
            found.push_back(i);
        }
    }
    return found;
}

} // namespace

TEST_CASE("joins and departures are sent in the order of the specification") {
    constexpr std::size_t vectors = 3;
    running_server server{{"-n", "3"}};

    raw_client first{server.socket()};
    memory(first, 0);
    const auto first_own = eventfds(first, 0, vectors);

    raw_client second{server.socket()};
    memory(second, 1);
    const auto second_first = eventfds(second, 0, vectors);
    const auto second_own = eventfds(second, 1, vectors);
    const auto first_second = eventfds(first, 1, vectors);

    raw_client third{server.socket()};
    memory(third, 2);
    eventfds(third, 0, vectors);
    eventfds(third, 1, vectors);
    eventfds(third, 2, vectors);
    eventfds(first, 2, vectors);
    eventfds(second, 2, vectors);

    // Vector i of a peer is the i-th that was sent, on both sides.
    for (std::size_t i = 0; i < vectors; ++i) {
        CHECK(rung(first_second[i], second_own) == std::vector{i});
        CHECK(rung(second_first[i], first_own) == std::vector{i});
    }
    for (const unique_fd& fd : second_own)
        CHECK((::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0);

    second.close();
    check_departure(first, 1);
    check_departure(third, 1);

    raw_client fourth{server.socket()};
    memory(fourth, 3); // 1 is not used again
    eventfds(fourth, 0, vectors);
    eventfds(fourth, 2, vectors);
    eventfds(fourth, 3, vectors);
    eventfds(first, 3, vectors);
    eventfds(third, 3, vectors);
    for (raw_client* c : {&first, &third, &fourth})
        CHECK(c->silent());
}

TEST_CASE("all clients share the same memory") {
    running_server server;
    raw_client a{server.socket()};
    raw_client b{server.socket()};
    const unique_fd fd_a = memory(a, 0);
    const unique_fd fd_b = memory(b, 1);
    constexpr std::size_t size = std::size_t{4} << 20;
    void* const map_a = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_a.get(), 0);
    void* const map_b = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd_b.get(), 0);
    REQUIRE(map_a != MAP_FAILED);
    REQUIRE(map_b != MAP_FAILED);
    static_cast<volatile char*>(map_a)[size - 1] = 42;
    CHECK(static_cast<volatile const char*>(map_b)[size - 1] == 42);
    ::munmap(map_a, size);
    ::munmap(map_b, size);
}

TEST_CASE("with --no-departures departures are not sent, and their ids are not used again") {
    running_server server{{"--no-departures"}};
    raw_client stays{server.socket()};
    memory(stays, 0);
    eventfds(stays, 0, 1);
    for (std::int64_t id = 1; id < 20; ++id) {
        raw_client comes{server.socket()};
        memory(comes, id);
        eventfds(comes, 0, 1);
        eventfds(comes, id, 1); // and of no other peer
        eventfds(stays, id, 1); // right after those of the peer before
        comes.close();
        REQUIRE(server.program().says(ivshmem::formatted("client {} left", id)));
    }
    CHECK(stays.silent());
}

TEST_CASE("ids count upwards over all connections, as with QEMU's server") {
    running_server server;
    for (std::int64_t id = 0; id < 5; ++id) {
        raw_client c{server.socket()};
        memory(c, id);
        eventfds(c, id, 1);
        c.close();
        REQUIRE(server.program().says(ivshmem::formatted("client {} left", id)));
    }
}
