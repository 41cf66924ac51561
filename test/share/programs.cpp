// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/deadline.hpp"
#include "helpers/has.hpp"
#include "running_share.hpp"

#include <ivshmem/device.hpp>

#include <chrono>
#include <thread>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

// Several programs on one device. Its rings go through the service, because a place at a server has
// no registers; pci.cpp has those.

using namespace host;
using namespace std::chrono_literals;
using ivshmem::errc;
using test::has;

namespace {

struct one_server {
    explicit one_server(unsigned vectors = 2)
        : server{{"-n", std::to_string(vectors)}}, peer{open_peer(vectors)}, share{
                                                                                 "server:" +
                                                                                 server.socket()} {}

    [[nodiscard]] ivshmem::device open_peer(unsigned vectors) const {
        ivshmem::open_options options;
        options.vectors = vectors;
        options.timeout = deadline;
        return ivshmem::device::open("server:" + server.socket(), options);
    }

    running_server server;
    ivshmem::device peer;
    running_share share;
};

/// Ends a child that was forked, also if the test fails.
struct child {
    explicit child(pid_t made) : pid{made} {}
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child() { end(); }
    void end() {
        if (pid <= 0)
            return;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        pid = 0;
    }
    pid_t pid;
};

} // namespace

TEST_CASE("three programs share the memory, the id and the vectors of one device") {
    const test::deadline limit;
    one_server s;
    auto a = s.share.open();
    auto b = s.share.open();
    auto c = s.share.open();
    CHECK(a.backend() == ivshmem::backend_kind::shared);
    CHECK(has(a.description(), "shared, server "));
    CHECK(a.id() == 1);
    CHECK(b.id() == 1);
    CHECK(a.vectors() == 2);
    CHECK(a.capabilities().interrupts == 2);
    CHECK(a.memory().size() == s.peer.memory().size());
    CHECK(a.memory().mode() == ivshmem::cache_mode::write_back);
    s.peer.memory()[100] = std::byte{7};
    CHECK(a.memory()[100] == std::byte{7});
    b.memory()[101] = std::byte{8};
    CHECK(s.peer.memory()[101] == std::byte{8});
    CHECK(c.memory()[101] == std::byte{8});

    for (const std::uint32_t vector : {0U, 1U}) {
        s.peer.ring(1, vector);
        CHECK(a.wait(vector, deadline) > 0); // what one program reads stays for the others
        CHECK(b.wait(vector, deadline) > 0);
        CHECK(c.wait(vector, deadline) > 0);
    }
    CHECK(a.take(0) == 0);
    CHECK(a.take(1) == 0);
}

TEST_CASE("a program on a shared device rings others, and itself") {
    const test::deadline limit;
    one_server s;
    auto a = s.share.open();
    auto b = s.share.open();
    a.ring(0, 1);
    CHECK(s.peer.wait(1, deadline) > 0);
    b.ring(1, 0); // the id of the VM: all of its programs
    CHECK(a.wait(0, deadline) > 0);
    CHECK(b.wait(0, deadline) > 0);
    a.ring(99, 0); // an absent peer: no effect
    std::error_code ec;
    a.ring(65536, 0, ec);
    CHECK(ec == errc::peer_out_of_range);
}

TEST_CASE("a program that waits for any vector of a shared device gets each") {
    const test::deadline limit;
    one_server s;
    auto a = s.share.open();
    auto b = s.share.open();
    static_cast<void>(a.any_interrupt_fd());
    s.peer.ring(1, 1);
    std::optional<ivshmem::interrupt_count> got;
    REQUIRE(eventually([&] { return (got = a.take_any()).has_value(); }));
    CHECK(got->vector == 1);
    CHECK(b.wait(1, deadline) > 0);
}

TEST_CASE("the programs that share a device are listed, with what they use") {
    const test::deadline limit;
    one_server s;
    auto a = s.share.open();
    {
        auto b = s.share.open();
        static_cast<void>(b.interrupt_fd(1));
        const auto users = a.users();
        REQUIRE(users.size() == 2);
        CHECK(users[0].process == static_cast<std::uint32_t>(::getpid()));
        CHECK(users[0].user == ::getuid());
        CHECK(has(users[1].use, ", vectors 1"));
        CHECK_FALSE(has(users[0].use, "vectors"));
    }
    CHECK(eventually([&] { return a.users().size() == 1; }));
    CHECK(s.peer.users().empty());
}

TEST_CASE("a program that is killed leaves the others, and nothing of its own") {
    const test::deadline limit;
    one_server s;
    auto a = s.share.open();
    static_cast<void>(a.interrupt_fd(0));
    REQUIRE(a.users().size() == 1); // the service has read all that was sent
    const std::size_t before = s.share.open_descriptors();
    child other{::fork()};
    REQUIRE(other.pid >= 0);
    if (other.pid == 0) {
        auto mine = s.share.open();
        mine.wait(1, 1h);
        ::_exit(1);
    }
    REQUIRE(eventually([&] {
        const auto users = a.users();
        return users.size() == 2 && users[1].use.find("vectors 1") != std::string::npos;
    }));
    CHECK(s.share.open_descriptors() > before);
    other.end();
    CHECK(eventually([&] { return a.users().size() == 1; }));
    CHECK(s.share.open_descriptors() == before);
    s.peer.ring(1, 0);
    CHECK(a.wait(0, deadline) > 0);
}

TEST_CASE("the end of the service is an event, and ends every wait") {
    const test::deadline limit;
    one_server s;
    auto a = s.share.open();
    const bool killed = GENERATE(false, true);
    std::error_code woken;
    std::thread waiter{[&] {
        a.wait(0, 1h, woken);
    }};
    s.share.program().signal(killed ? SIGKILL : SIGTERM);
    CHECK(s.share.program().wait() == (killed ? 128 + SIGKILL : 0));
    waiter.join();
    CHECK(woken == errc::server_closed);
    CHECK(a.next_event() == ivshmem::event{ivshmem::event::kind::server_gone, 0});
    std::error_code ec;
    a.next_event(ec);
    CHECK(ec == errc::server_closed);
    a.ring(0, 0, ec);
    CHECK(ec == errc::server_closed);
    static_cast<void>(a.users(ec));
    CHECK(ec == errc::server_closed);
    s.peer.memory()[5] = std::byte{55};
    CHECK(a.memory()[5] == std::byte{55}); // stays
}

TEST_CASE("more vectors than fit into one message are shared") {
    const test::deadline limit;
    one_server s{150};
    auto a = s.share.open();
    REQUIRE(a.capabilities().interrupts == 150);
    s.peer.ring(1, 149);
    CHECK(a.wait(149, deadline) > 0);
}

TEST_CASE("a mode of the memory that the programs do not share, and a part of it") {
    const test::deadline limit;
    one_server s;
    ivshmem::open_options options;
    options.cache = ivshmem::cache_mode::uncached;
    try {
        static_cast<void>(s.share.open(options));
        FAIL();
    } catch (const ivshmem::error& e) {
        CHECK(e.code() == errc::cache_mode_unavailable);
        CHECK(has(e.what(), "all programs that share the device map its memory write-back"));
    }
    options.cache.reset();
    options.part = ivshmem::memory_region{4096, 4096};
    auto a = s.share.open(options);
    CHECK(a.memory().size() == 4096);
    s.peer.memory()[4096] = std::byte{3};
    CHECK(a.memory()[0] == std::byte{3});
    options.part = ivshmem::memory_region{a.memory().size() << 20U, 4096};
    CHECK_THROWS_AS(s.share.open(options), ivshmem::error);
}
