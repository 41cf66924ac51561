// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "client.hpp"
#include "helpers/catch.hpp"
#include "run.hpp"

#include <algorithm>
#include <fstream>
#include <list>
#include <memory>

#include <signal.h>

// The end of clients and of a server, and the socket that it leaves behind, finds or replaces.

using namespace host;
using ivshmem::unique_fd;

TEST_CASE("SIGTERM, SIGINT and SIGHUP end the server cleanly") {
    const int signal = GENERATE(SIGTERM, SIGINT, SIGHUP);
    running_server server;
    raw_client c{server.socket()};
    REQUIRE(c.joined(1));
    server.program().signal(signal);
    CHECK(server.program().wait() == 0);
    CHECK_FALSE(std::filesystem::exists(server.socket()));
    CHECK(c.closed());
    CHECK(c.departures() == 0); // clients see the end of the server, not departures
    CHECK(has(server.program().output(), "ending: signal " + std::to_string(signal)));
}

TEST_CASE("a socket left by a server that was killed is replaced") {
    const temporary_folder folder;
    const std::string socket = folder / "socket";
    {
        process first{{server_program(), "-F", "-S", socket}, folder / "first"};
        REQUIRE(first.says("listening on"));
        first.signal(SIGKILL);
        REQUIRE(first.wait() == 128 + SIGKILL);
    }
    REQUIRE(std::filesystem::exists(socket));
    process second{{server_program(), "-F", "-S", socket}, folder / "second"};
    REQUIRE(second.says("listening on"));
    CHECK(has(second.output(), "removed, left by a dead server"));
    raw_client c{socket};
    CHECK(c.joined(1));
}

TEST_CASE("a socket at which a server listens is left alone") {
    running_server server;
    raw_client c{server.socket()};
    REQUIRE(c.joined(1));
    const outcome o = run_server({"-F", "-S", server.socket()});
    CHECK(o.code == 1);
    CHECK(has(o.output, server.socket() + ": another server listens there; end it or choose"));
    raw_client next{server.socket()};
    REQUIRE(next.joined(1));
    CHECK(next.id() == 1); // the check for a running server used no id
    CHECK(c.knows({0, 1}, 1));
}

TEST_CASE("of several servers that start at once on the socket of a dead one, one serves") {
    constexpr int count = 6;
    for (int round = 0; round < 20; ++round) {
        const temporary_folder folder;
        const std::string socket = folder / "socket";
        listening_socket(socket).reset(); // the socket of a dead server
        std::vector<std::unique_ptr<process>> servers;
        servers.reserve(count);
        for (int i = 0; i < count; ++i)
            servers.push_back(std::make_unique<process>(
                std::vector<std::string>{server_program(), "-F", "-S", socket},
                folder / std::to_string(i)));
        const auto refused = [&] {
            return std::count_if(servers.begin(), servers.end(), [](const auto& p) {
                return !p->runs() && has(p->output(), "another server listens there");
            });
        };
        REQUIRE(eventually([&] { return refused() == count - 1; }));
        raw_client c{socket};
        CHECK(c.joined(1));
    }
}

TEST_CASE("a file that is not a socket is not removed") {
    const temporary_folder folder;
    std::ofstream{folder / "file"} << "precious";
    const outcome o = run_server({"-F", "-S", folder / "file"});
    CHECK(o.code == 1);
    CHECK(
        has(o.output, (folder / "file") + ": it exists and is not a socket; choose another path"));
    CHECK(text_of(folder / "file") == "precious");
}

TEST_CASE("an invalid path for a socket is refused") {
    const outcome absent = run_server({"-F", "-S", "/nonexistent/folder/socket"});
    CHECK(absent.code == 1);
    CHECK(has(absent.output, "/nonexistent/folder/socket: cannot create the socket there"));
    const outcome longest = run_server({"-F", "-S", "/" + std::string(107, 'x')});
    CHECK(longest.code == 1);
    CHECK(has(longest.output, "the path of a UNIX socket has at most 107 bytes"));
}

TEST_CASE("an ending server does not remove the socket of another one") {
    running_server server;
    std::filesystem::remove(server.socket());
    const unique_fd other = listening_socket(server.socket());
    server.program().signal(SIGTERM);
    CHECK(server.program().wait() == 0);
    CHECK(std::filesystem::exists(server.socket()));
}

TEST_CASE("clients that leave at once get nothing queued about each other") {
    running_server server;
    const auto most_resident = [&] { // KiB
        std::ifstream file{ivshmem::formatted("/proc/{}/status", server.program().pid())};
        std::string word;
        while (file >> word && word != "VmHWM:")
            continue;
        std::size_t size = 0;
        file >> size;
        return size;
    };
    raw_client stays{server.socket()};
    REQUIRE(stays.joined(1));
    const std::size_t descriptors = server.open_descriptors();
    std::list<raw_client> leave;
    for (int i = 0; i < 500; ++i) {
        leave.emplace_back(server.socket());
        REQUIRE(leave.back().joined(1));
        stays.read_all();
        for (raw_client& c : leave)
            c.read_all();
    }
    const std::size_t before = most_resident();
    REQUIRE(before > 0);
    server.program().signal(SIGSTOP);
    leave.clear();
    server.program().signal(SIGCONT);
    CHECK(stays.knows({0}, 1));
    CHECK(stays.departures() == 500);
    CHECK(stays.wrong().empty());
    CHECK(eventually([&] { return server.open_descriptors() == descriptors; }));
    CHECK(most_resident() < before + 2048); // 125,000 messages would take 7 MiB
}
