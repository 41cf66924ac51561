// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "client.hpp"
#include "helpers/catch.hpp"

#include <list>

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

// Clients that send data, die or are too many: the other clients do not notice.

using namespace host;

namespace {

/// Returns the processor time of a process in clock ticks.
unsigned long processor_time(pid_t pid) {
    const std::string text = text_of(ivshmem::formatted("/proc/{}/stat", pid));
    std::istringstream fields{text.substr(text.rfind(')') + 2)};
    std::string skipped;
    for (int i = 3; i < 14; ++i)
        fields >> skipped;
    unsigned long user = 0;
    unsigned long system = 0;
    fields >> user >> system;
    REQUIRE(fields);
    return user + system;
}

void limit_descriptors(pid_t pid, rlim_t count) {
    rlimit limit{};
    REQUIRE(::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) == 0);
    limit.rlim_cur = count;
    REQUIRE(::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr) == 0);
}

} // namespace

TEST_CASE("a client that sends data is disconnected, and no other") {
    running_server server;
    raw_client good{server.socket()};
    raw_client bad{server.socket()};
    REQUIRE(bad.joined(1));
    REQUIRE(good.knows({0, 1}, 1));
    const std::string bytes = GENERATE(std::string{"x"}, std::string(100000, 'y'));
    REQUIRE(::send(bad.socket(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0);
    CHECK(bad.closed());
    CHECK(good.knows({0}, 1));
    CHECK(server.program().says("client 1 left: "));
    CHECK(server.program().says("it sent data"));
    raw_client next{server.socket()};
    CHECK(next.joined(1));
    CHECK(next.id() == 2);
}

TEST_CASE("a client that sends before it has read anything is disconnected") {
    running_server server;
    raw_client bad{server.socket()};
    REQUIRE(::send(bad.socket(), "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL) == 18);
    CHECK(bad.closed());
    raw_client good{server.socket()};
    CHECK(good.joined(1));
}

TEST_CASE("a client that closes its sending side has left") {
    running_server server;
    raw_client stays{server.socket()};
    REQUIRE(stays.joined(1));
    raw_client c{server.socket()};
    REQUIRE(c.joined(1));
    REQUIRE(::shutdown(c.socket(), SHUT_WR) == 0);
    CHECK(c.closed());
    CHECK(stays.knows({0}, 1));
}

TEST_CASE("a client that is killed has left") {
    running_server server{{"-n", "2"}};
    raw_client stays{server.socket()};
    REQUIRE(stays.joined(2));
    const pid_t child = ::fork();
    if (child == 0) {
        const raw_client c{server.socket()};
        while (true)
            ::pause();
    }
    const bool came = stays.knows({0, 1}, 2);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(came);
    CHECK(stays.knows({0}, 2));
    CHECK(server.program().says(
        ivshmem::formatted("client 1 joined: pid {} uid {}", child, ::getuid())));
    CHECK(server.program().says(ivshmem::formatted("client 1 left: pid {}", child)));
}

TEST_CASE("a client that connects and leaves at once disturbs no other") {
    running_server server{{"-n", "8"}};
    raw_client stays{server.socket()};
    REQUIRE(stays.joined(8));
    const std::size_t before = server.open_descriptors();
    for (int i = 0; i < 200; ++i)
        raw_client{server.socket()}.close();
    CHECK(stays.knows({0}, 8));
    CHECK(stays.wrong().empty());
    raw_client last{server.socket()};
    CHECK(last.joined(8));
    CHECK(last.id() == 201);
    last.close();
    CHECK(eventually([&] { return server.open_descriptors() == before; }));
}

TEST_CASE("clients beyond --max-clients are refused, and a waiting client is refused at once") {
    running_server server{{"--max-clients", "3"}};
    std::list<raw_client> clients;
    for (int i = 0; i < 3; ++i)
        REQUIRE(clients.emplace_back(server.socket()).joined(1));
    raw_client refused{server.socket()};
    CHECK(refused.closed());
    CHECK(refused.id() == -1); // refused before the first message
    CHECK(server.program().says(ivshmem::formatted("refused pid {}", ::getpid())));
    CHECK(server.program().says("3 clients are connected"));
    clients.pop_front();
    REQUIRE(clients.front().knows({1, 2}, 1));
    raw_client next{server.socket()};
    CHECK(next.joined(1));
    CHECK(next.id() == 3); // the refused client took no id
}

TEST_CASE(
    "the limit of descriptors is raised, and the server reports how many clients it can serve") {
    const auto limit = [](rlim_t soft, rlim_t hard) {
        return [=] {
            const rlimit both{soft, hard};
            ::setrlimit(RLIMIT_NOFILE, &both);
        };
    };
    SECTION("from the soft to the hard limit") {
        running_server server{{"-n", "4"}, limit(20, 124)};
        CHECK(server.program().says("clients: at most 20")); // (124 - 24) / (4 + 1)
        std::list<raw_client> clients;
        std::vector<std::int64_t> ids;
        for (int i = 0; i < 20; ++i) {
            ids.push_back(i);
            clients.emplace_back(server.socket());
            // All clients read, because unread descriptors count against the limit of an ordinary
            // user.
            for (raw_client& client : clients)
                REQUIRE(client.knows(ids, 4));
        }
        raw_client refused{server.socket()};
        CHECK(refused.closed());
        CHECK(refused.id() == -1);
        CHECK(clients.front().knows(ids, 4));
    }
    SECTION("--max-clients beyond it is an error") {
        const temporary_folder folder;
        process program{{server_program(), "-F", "-S", folder / "socket", "--max-clients", "100"},
                        folder / "log",
                        limit(64, 64)};
        CHECK(program.wait() == 1);
        CHECK(program.says("100 clients with 1 vectors take 224 descriptors, and the limit is 64; "
                           "raise it"));
    }
}

TEST_CASE("without a free descriptor the server waits, without spinning, and then continues") {
    running_server server;
    raw_client first{server.socket()};
    raw_client second{server.socket()};
    REQUIRE(first.joined(1));
    REQUIRE(second.joined(1));
    rlimit old{};
    REQUIRE(::prlimit(server.program().pid(), RLIMIT_NOFILE, nullptr, &old) == 0);
    limit_descriptors(server.program().pid(), 3);

    raw_client third{server.socket()};
    const bool reported = server.program().says("cannot accept a connection: Too many open files");
    INFO(server.program().output());
    REQUIRE(reported);
    const auto before = processor_time(server.program().pid());
    std::this_thread::sleep_for(std::chrono::seconds{2});
    const auto used = processor_time(server.program().pid()) - before;
    CHECK(used < static_cast<unsigned long>(::sysconf(_SC_CLK_TCK)) / 4);
    second.close(); // the server must notice this in the meantime
    CHECK(first.knows({0}, 1));

    limit_descriptors(server.program().pid(), old.rlim_cur);
    CHECK(third.joined(1));
    CHECK(first.knows({0, 2}, 1));
    CHECK(third.id() == 2);
}

TEST_CASE("256 clients with 8 vectors join and leave without a leak") {
    constexpr std::size_t vectors = 8;
    running_server server{{"-n", "8"}};
    std::size_t before = 0;
    std::list<raw_client> clients;
    std::vector<std::int64_t> all;
    for (std::int64_t id = 0; id < 256; ++id) {
        raw_client& c = clients.emplace_back(server.socket());
        for (raw_client& other : clients)
            other.read_all();
        REQUIRE(c.joined(vectors));
        REQUIRE(c.id() == id);
        if (id == 0)
            before = server.open_descriptors() - (1 + vectors);
        all.push_back(id);
    }
    for (raw_client& c : clients) {
        REQUIRE(c.knows(all, vectors));
        REQUIRE(c.wrong().empty());
    }
    CHECK(server.open_descriptors() == before + 256 * (vectors + 1));
    while (!clients.empty()) {
        clients.pop_front();
        for (raw_client& other : clients)
            other.read_all();
        all.erase(all.begin());
        if (!clients.empty()) {
            REQUIRE(clients.back().knows(all, vectors));
            REQUIRE(clients.back().wrong().empty());
        }
    }
    CHECK(eventually([&] { return server.open_descriptors() == before; }));
}
