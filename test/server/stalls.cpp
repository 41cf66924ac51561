// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "client.hpp"
#include "helpers/catch.hpp"
#include "run.hpp"

#include <fstream>

// Clients that do not read their messages: the other clients do not notice.

using namespace host;

namespace {

/// Makes clients join and leave, enough to fill the socket of a client that does not read, while
/// another reads.
void churn(const running_server& server, raw_client& reader, int times) {
    for (int i = 0; i < times; ++i) {
        raw_client c{server.socket()};
        REQUIRE(c.joined(8));
        CHECK(c.wrong().empty());
        reader.read_all();
    }
}

} // namespace

TEST_CASE("while a client stalls the others are served, and it catches up when it reads again") {
    running_server server{{"-n", "8", "--stall-timeout", "0", "-v"}};
    raw_client slow{server.socket()};
    REQUIRE(slow.joined(8));
    raw_client other{server.socket()};
    REQUIRE(other.joined(8));
    churn(server, other, 100); // 900 messages
    REQUIRE(server.program().says("client 0 is behind"));
    raw_client last{server.socket()};
    REQUIRE(last.joined(8));
    CHECK(other.knows({0, 1, last.id()}, 8));

    // It receives nothing about clients that joined and left in between, but all present ones.
    CHECK(slow.knows({0, 1, last.id()}, 8));
    CHECK(slow.departures() < other.departures());
    for (const raw_client* c : {&slow, &other, &last})
        CHECK(c->wrong().empty());
}

TEST_CASE("the server's memory does not grow for a client that stalls") {
    running_server server{{"-n", "8", "--stall-timeout", "0", "-v"}};
    const auto pages = [&] {
        std::ifstream file{ivshmem::formatted("/proc/{}/statm", server.program().pid())};
        std::size_t total = 0;
        std::size_t resident = 0;
        file >> total >> resident;
        return resident;
    };
    raw_client slow{server.socket()};
    REQUIRE(slow.joined(8));
    raw_client other{server.socket()};
    REQUIRE(other.joined(8));
    const std::size_t descriptors = server.open_descriptors();
    churn(server, other, 300);
    REQUIRE(server.program().says("client 0 is behind"));
    CHECK(other.knows({0, 1}, 8));
    const std::size_t before = pages();
    churn(server, other, 5000); // 10,000 more entries, of 64 bytes at least, would be queued
    CHECK(other.knows({0, 1}, 8));
    CHECK((keeps_freed_memory || pages() < before + 100));
    CHECK(eventually([&] { return server.open_descriptors() == descriptors; }));
}

TEST_CASE(
    "a client that stalls for too long is disconnected, and the others receive its departure") {
    running_server server{{"-n", "8", "--stall-timeout", "1"}};
    raw_client slow{server.socket()};
    REQUIRE(slow.joined(8));
    raw_client other{server.socket()};
    REQUIRE(other.joined(8));
    churn(server, other, 100);
    raw_client last{server.socket()}; // the slow client must receive its join
    REQUIRE(last.joined(8));
    CHECK(other.knows({1, last.id()}, 8));
    CHECK(last.knows({1, last.id()}, 8));
    CHECK(server.program().says("client 0 left: "));
    CHECK(server.program().says("it did not read for 1 s"));
    CHECK(slow.closed());
    CHECK(slow.wrong().empty());
}

TEST_CASE("a client that is behind for less than the stall timeout stays connected") {
    running_server server{{"-n", "8", "--stall-timeout", "60", "-v"}};
    raw_client slow{server.socket()};
    REQUIRE(slow.joined(8));
    raw_client other{server.socket()};
    REQUIRE(other.joined(8));
    churn(server, other, 100);
    raw_client last{server.socket()};
    REQUIRE(last.joined(8));
    REQUIRE(server.program().says("client 0 is behind"));
    std::this_thread::sleep_for(std::chrono::milliseconds{1500}); // it checks twice a second
    CHECK(slow.knows({0, 1, last.id()}, 8));
}

TEST_CASE("a client that gets few messages need not read them within the stall timeout") {
    running_server server{{"--stall-timeout", "1"}};
    raw_client quiet{server.socket()};
    std::this_thread::sleep_for(std::chrono::milliseconds{2500});
    raw_client other{server.socket()};
    REQUIRE(other.joined(1));
    CHECK(quiet.knows({0, 1}, 1));
}
