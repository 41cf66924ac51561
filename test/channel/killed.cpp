// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// Processes at a server that are killed again and again, at any time, and loops that update without
// an event loop: every end is reported, and none that was not.

#include "helpers/catch.hpp"
#include "helpers/server_process.hpp"

#include <ivshmem/channel.hpp>
#include <ivshmem/slot.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <random>
#include <span>
#include <thread>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

using ivshmem::channel;
using ivshmem::channel_state;
using ivshmem::errc;
using namespace std::chrono_literals;

namespace {

constexpr ivshmem::region_geometry three_slots{3, 2, 1024};
constexpr std::uint32_t bystander = 2;

ivshmem::device join(const std::string& socket) {
    ivshmem::open_options options;
    options.vectors = 1;
    options.timeout = 30s;
    return ivshmem::device::open(ivshmem::selector::server(socket), options);
}

ivshmem::slot claim(const ivshmem::device& at, std::uint32_t number) {
    ivshmem::slot_options options;
    options.number = number;
    options.geometry = three_slots;
    options.claim_time = 20ms; // the former holder was killed
    return ivshmem::slot::claim(at, options);
}

/// Sends and receives what can be. @return Whether the session goes on.
bool talk(channel& over, std::error_code& ec) {
    std::array<std::byte, 300> message{};
    over.update(ec);
    if (!ec && over.state() != channel_state::opening) {
        over.try_send(std::span{message}.first(17), ec);
        if (!ec)
            over.try_receive(message, ec);
    }
    return !ec;
}

/// The process that is killed.
[[noreturn]] void live(const std::string& socket, std::uint32_t number, std::uint32_t other) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
        const auto device = join(socket);
        const auto slot = claim(device, number);
        auto over = channel::open(slot, other, 0);
        for (;;) {
            std::error_code ec;
            if (!talk(over, ec))
                over.reopen();
            std::this_thread::sleep_for(50us);
        }
    } catch (const std::exception&) { // the status reports it
    }
    ::_exit(1);
}

/// Kills a peer of the slot `own` again and again.
void kill_peers(std::uint32_t own, int kills) {
    const host::running_server server{{"-l", "1M", "-n", "1"}};
    const auto device = join(server.socket());
    const auto slot = claim(device, own);
    const auto beside = join(server.socket());
    const auto at_bystander = claim(beside, bystander);
    const std::uint32_t victim = 1 - own;
    auto over = channel::open(slot, victim, 0);
    auto there = channel::open(slot, bystander, 0);
    auto back = channel::open(at_bystander, own, 0);
    std::mt19937 random{own + 1};
    int lost = 0;
    int connected_to_bystander = 0;
    const auto turn = [&] {
        std::error_code ec;
        talk(there, ec);
        CHECK_FALSE(ec);
        talk(back, ec);
        CHECK_FALSE(ec);
        connected_to_bystander += there.state() == channel_state::connected ? 1 : 0;
        std::this_thread::sleep_for(100us);
    };
    for (int i = 0; i < kills; ++i) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0)
            live(server.socket(), victim, own);
        bool connected = false;
        std::error_code ec;
        REQUIRE(host::eventually([&] {
            turn();
            connected = talk(over, ec) ? over.state() == channel_state::connected : false;
            return connected || ec;
        }));
        INFO("round " << i << ": " << ec.message());
        REQUIRE_FALSE(ec); // no loss is reported before there is one
        const auto until =
            std::chrono::steady_clock::now() + std::chrono::microseconds{random() % 3000};
        while (std::chrono::steady_clock::now() < until) {
            REQUIRE(talk(over, ec));
            turn();
        }
        REQUIRE(::kill(child, SIGKILL) == 0);
        REQUIRE(host::eventually([&] {
            turn();
            return !talk(over, ec);
        }));
        CHECK(ec == errc::peer_lost);
        lost += over.state() == channel_state::lost ? 1 : 0;
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
        over.reopen();
    }
    CHECK(lost == kills);
    CHECK(connected_to_bystander > kills);
    CHECK(there.state() == channel_state::connected);
    CHECK(back.state() == channel_state::connected);
}

} // namespace

TEST_CASE("every process that is killed is reported as lost, and no other") {
    kill_peers(GENERATE(0U, 1U), 5);
}

TEST_CASE("1000 processes that are killed are reported as lost, and no other", "[.thousand]") {
    kill_peers(GENERATE(0U, 1U), 500);
}

TEST_CASE("a process that is stopped is not lost, and one that stays when the server ends") {
    std::optional<host::running_server> server{std::in_place,
                                               std::vector<std::string>{"-l", "1M", "-n", "1"}};
    const auto device = join(server->socket());
    const auto slot = claim(device, 0);
    auto over = channel::open(slot, 1, 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0)
        live(server->socket(), 1, 0);
    std::error_code ec;
    const auto stays_connected = [&](std::chrono::milliseconds time) {
        return !host::eventually([&] { return !talk(over, ec); }, time) &&
               over.state() == channel_state::connected;
    };
    REQUIRE(host::eventually(
        [&] { return talk(over, ec) && over.state() == channel_state::connected; }));
    REQUIRE(::kill(child, SIGSTOP) == 0);
    CHECK(stays_connected(700ms));
    REQUIRE(::kill(child, SIGCONT) == 0);
    CHECK(stays_connected(100ms));
    SECTION("the server is killed") {
        server->program().signal(SIGKILL);
    }
    SECTION("the server is ended") {
        server->program().signal(SIGTERM);
    }
    CHECK(stays_connected(500ms));
    CHECK(::kill(child, SIGKILL) == 0);
    CHECK(::waitpid(child, nullptr, 0) == child);
}
