// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "client.hpp"
#include "helpers/catch.hpp"

#include <list>

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

// For an unprivileged user, Linux limits the descriptors in flight through sockets to the limit of
// open descriptors. Clients that do not read use up this limit. All programs of the user count, so
// no other test of a server may run meanwhile.

using namespace host;

namespace {

void be_unprivileged() {
    // Fails for processes without privileges.
    ::prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE);
    ::prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN);
    const rlimit low{100, 100};
    ::setrlimit(RLIMIT_NOFILE, &low);
}

} // namespace

TEST_CASE(
    "clients that do not read use up only the descriptors that an unprivileged server may send") {
    running_server server{{"-n", "8"}, be_unprivileged};
    raw_client reads{server.socket()};
    REQUIRE(reads.joined(8));
    std::list<raw_client> slow;
    for (std::int64_t id = 1; id < 7; ++id) {
        slow.emplace_back(server.socket());
        REQUIRE(server.program().says(ivshmem::formatted("client {} joined", id)));
        reads.read_all();
    }
    raw_client last{server.socket()};
    CHECK(server.program().says("too many descriptors are in flight"));
    CHECK(server.program().says(ivshmem::formatted(" 1 (pid {} uid {})", ::getpid(), ::getuid())));

    // A departure is still sent, because it takes no descriptor, and it makes room.
    slow.pop_front();
    CHECK(server.program().says("client 1 left"));
    // The waiting clients lose no message.
    for (raw_client& c : slow)
        CHECK(c.knows({0, 2, 3, 4, 5, 6, 7}, 8));
    for (raw_client* c : {&reads, &last})
        CHECK(c->knows({0, 2, 3, 4, 5, 6, 7}, 8));
    CHECK(reads.wrong().empty());
    CHECK(last.wrong().empty());
}

TEST_CASE(
    "clients that read in time are all served, even with a low limit on descriptors in flight") {
    running_server server{{"-n", "8", "--stall-timeout", "0"}, be_unprivileged};
    std::list<raw_client> clients;
    std::vector<std::int64_t> all;
    for (std::int64_t id = 0; id < 8; ++id) {
        clients.emplace_back(server.socket());
        all.push_back(id);
        REQUIRE(server.program().says(ivshmem::formatted("client {} joined", id)));
    }
    for (raw_client& c : clients)
        CHECK(c.knows(all, 8));
    for (raw_client& c : clients)
        CHECK(c.wrong().empty());
}

TEST_CASE("clients that do not read are dropped, and a new client joins before and after that") {
    running_server server{{"--stall-timeout", "2"}, be_unprivileged};
    std::list<raw_client> slow;
    for (std::int64_t id = 0; id < 25; ++id) {
        slow.emplace_back(server.socket());
        REQUIRE(server.program().says(ivshmem::formatted("client {} joined", id)));
    }
    raw_client before{server.socket()};
    CHECK(before.joined(1));
    CHECK(server.program().says("it did not read for 2 s"));
    // They keep their end open, and with it the descriptors in flight.
    raw_client after{server.socket()};
    CHECK(after.joined(1));
    CHECK(before.wrong().empty());
    for (raw_client& c : slow) {
        CHECK(eventually([&] {
            c.read_all();
            return c.ended() || c.peers().contains(c.id());
        }));
    }
}

TEST_CASE("a client that was dropped counts as a client until it releases its descriptors") {
    running_server server{{"--max-clients", "2", "--stall-timeout", "1"}};
    raw_client bad{server.socket()};
    REQUIRE(server.program().says("client 0 joined"));
    REQUIRE(::send(bad.socket(), "x", 1, MSG_NOSIGNAL) == 1);
    REQUIRE(server.program().says("client 0 left"));
    raw_client good{server.socket()};
    REQUIRE(good.joined(1));
    raw_client refused{server.socket()};
    CHECK(refused.closed());
    CHECK(refused.id() == -1);
    bad.close();
    CHECK(eventually([&] {
        raw_client next{server.socket()};
        return next.joined(1);
    }));
}

TEST_CASE("a client that was dropped keeps the server's end of its connection, not its eventfds") {
    running_server server{{"-n", "8", "--stall-timeout", "1"}};
    raw_client good{server.socket()};
    REQUIRE(good.joined(8));
    const std::size_t descriptors = server.open_descriptors();
    raw_client bad{server.socket()};
    REQUIRE(server.program().says("client 1 joined"));
    CHECK(eventually([&] { return server.open_descriptors() == descriptors + 9; }));
    REQUIRE(::send(bad.socket(), "x", 1, MSG_NOSIGNAL) == 1);
    REQUIRE(good.knows({0}, 8));
    CHECK(server.program().says("client 1 left"));
    CHECK(eventually([&] { return server.open_descriptors() == descriptors + 1; }));
    bad.close();
    CHECK(eventually([&] { return server.open_descriptors() == descriptors; }));
}

TEST_CASE("clients that were dropped keep no eventfds of each other") {
    constexpr std::size_t crowd = 40; // each is sent more than its socket holds
    running_server server{{"-n", "16", "--stall-timeout", "1"}};
    raw_client good{server.socket()};
    REQUIRE(good.joined(16));
    const std::size_t descriptors = server.open_descriptors();
    std::list<raw_client> bad;
    for (std::size_t id = 1; id <= crowd; ++id) {
        bad.emplace_back(server.socket());
        REQUIRE(server.program().says(ivshmem::formatted("client {} joined", id)));
        good.read_all();
    }
    CHECK(good.knows({0}, 16));
    CHECK(eventually([&] { return server.open_descriptors() == descriptors + crowd; }));
}

TEST_CASE("clients of one user beyond --max-clients-per-uid are refused") {
    running_server server{{"--max-clients-per-uid", "2"}};
    raw_client a{server.socket()};
    raw_client b{server.socket()};
    REQUIRE(a.joined(1));
    REQUIRE(b.joined(1));
    raw_client refused{server.socket()};
    CHECK(refused.closed());
    CHECK(refused.id() == -1);
    CHECK(server.program().says(
        ivshmem::formatted("2 clients of uid {} are connected, the most allowed", ::getuid())));
    a.close();
    REQUIRE(b.knows({1}, 1));
    raw_client next{server.socket()};
    CHECK(next.joined(1));
}
