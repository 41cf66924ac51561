// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/deadline.hpp"
#include "helpers/has.hpp"
#include "helpers/service_manager.hpp"
#include "running_share.hpp"

#include <ivshmem/slot.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <signal.h>

// A restart of the service: systemd keeps its descriptors, and programs stay connected.

using namespace host;
using ivshmem::errc;
using test::has;

namespace {

/// The service under a manager.
class managed {
  public:
    explicit managed(std::string device)
        : manager{folder / "s", folder / "notify"}, device_{std::move(device)} {}

    /// Starts the service with all that is stored, and returns when it is ready.
    void start() {
        service.emplace(std::vector<std::string>{IVSHMEM_SHARE, device_}, folder / "log",
                        manager.preparation());
        manager.wait_ready();
    }
    /// Ends the service.
    void end(int signal) {
        service->signal(signal);
        REQUIRE(service->wait());
        manager.settle();
    }
    [[nodiscard]] ivshmem::device open() const {
        ivshmem::open_options options;
        options.timeout = deadline;
        return ivshmem::device::open("share:" + folder / "s", options);
    }

    const temporary_folder folder;
    test::service_manager manager;
    std::optional<process> service;

  private:
    std::string device_;
};

} // namespace

TEST_CASE("programs stay connected while the service starts again, also after a crash") {
    const test::deadline limit;
    const int how = GENERATE(SIGTERM, SIGKILL);
    const running_server server{{"-n", "2"}};
    managed systemd{"server:" + server.socket()};
    systemd.start();
    auto a = systemd.open();
    auto b = systemd.open();
    ivshmem::slot_options third;
    third.number = 2;
    auto held = ivshmem::slot::claim(a, third);
    static_cast<void>(b.interrupt_fd(1));
    REQUIRE(b.users().size() == 2); // the service has read all that was sent
    systemd.end(how);
    // In between: what was there stays, and what needs the service waits for it.
    std::error_code ec;
    CHECK_FALSE(a.next_event(ec));
    CHECK_FALSE(ec);
    systemd.start();
    const auto users = a.users();
    REQUIRE(users.size() == 2);
    CHECK(has(users[0].use, ", slots 2"));
    CHECK(has(users[1].use, ", vectors 1"));
    // The slot belongs to the same program.
    third.claim_time = std::chrono::milliseconds{50};
    static_cast<void>(ivshmem::slot::claim(b, third, ec));
    CHECK(ec == errc::slot_in_use);
    // The vectors too: the eventfds are the same. (The place at the server is a new one.)
    while (a.take(0) != 0 || b.take(1) != 0)
        continue;
    auto c = systemd.open();
    c.ring(c.id(), 0);
    c.ring(c.id(), 1);
    CHECK(a.wait(0, deadline) > 0);
    CHECK(b.wait(1, deadline) > 0);
}

TEST_CASE("a program that ends while no service runs is gone after the restart") {
    const test::deadline limit;
    const running_server server{{"-n", "2"}};
    managed systemd{"server:" + server.socket()};
    systemd.start();
    auto a = systemd.open();
    {
        auto b = systemd.open();
        systemd.end(SIGKILL);
    }
    systemd.start();
    CHECK(eventually([&] { return a.users().size() == 1; }));
    // The memory with the state, and what a has: its connection and two eventfds.
    CHECK(eventually([&] { return systemd.manager.settle() == 4; }));
}

TEST_CASE("what a program had is forgotten when it leaves") {
    const test::deadline limit;
    const running_server server{{"-n", "2"}};
    managed systemd{"server:" + server.socket()};
    systemd.start();
    {
        auto a = systemd.open();
        REQUIRE(a.users().size() == 1);
        CHECK(systemd.manager.settle() == 4);
    }
    CHECK(eventually([&] { return systemd.manager.settle() == 1; }));
}

TEST_CASE("a store that does not fit is dropped, and the service serves") {
    const test::deadline limit;
    const running_server server{{"-n", "2"}};
    managed systemd{"server:" + server.socket()};
    systemd.start();
    auto a = systemd.open();
    REQUIRE(a.users().size() == 1);
    systemd.end(SIGKILL);
    const bool without_state = GENERATE(true, false);
    systemd.manager.lose(without_state ? "state" : "program-0-1");
    systemd.start();
    std::error_code ec;
    static_cast<void>(a.users(ec));
    CHECK(ec == errc::server_closed);
    if (!without_state)
        CHECK(has(systemd.service->output(), "could not be kept"));
    CHECK(systemd.open().users().size() == 1);
}
