// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "client.hpp"
#include "helpers/catch.hpp"

#include <signal.h>

// QEMU's own device as a client: it joins, stays when others leave, and survives the end of the
// server.

using namespace host;

namespace {

process qemu(const running_server& server, const std::string& log, std::size_t vectors) {
    return process{{QEMU, "-M", "q35", "-accel", "tcg", "-S", "-nodefaults", "-display", "none",
                    "-chardev", "socket,id=server,path=" + server.socket(), "-device",
                    ivshmem::formatted("ivshmem-doorbell,chardev=server,vectors={}", vectors)},
                   server.folder / log};
}

} // namespace

TEST_CASE("QEMU's devices join, with any number of vectors, and stay") {
    running_server server{{"-n", "2"}};
    process first = qemu(server, "first", 2);
    REQUIRE(server.program().says("client 0 joined"));
    process second = qemu(server, "second", 1);
    REQUIRE(server.program().says("client 1 joined"));
    raw_client stays{server.socket()};
    CHECK(stays.knows({0, 1, 2}, 2));

    for (std::int64_t id = 3; id < 40; ++id) {
        raw_client c{server.socket()};
        REQUIRE(c.knows({0, 1, 2, id}, 2));
    }
    second.signal(SIGKILL);
    CHECK(stays.knows({0, 2}, 2));
    process third = qemu(server, "third", 2);
    CHECK(stays.knows({0, 2, 40}, 2));
    CHECK(stays.wrong().empty());
    INFO(first.output());
    CHECK(first.output().empty());
    CHECK(first.runs());

    server.program().signal(SIGTERM);
    CHECK(server.program().wait() == 0);
    CHECK(stays.closed());
    CHECK(first.runs());
    CHECK(third.runs());
}

TEST_CASE("QEMU accepts every kind of memory") {
    using words = std::vector<std::string>;
    const temporary_folder folder;
    auto options = GENERATE(words{"-l", "3M"}, words{"-m"}, words{"-l", "4096"}, words{"-n", "256"},
                            words{"--no-departures"});
    if (options.front() == "-m")
        options.push_back(folder / "");
    running_server server{options};
    const std::size_t vectors = options.front() == "-n" ? 256 : 1;
    process device = qemu(server, "device", vectors);
    REQUIRE(server.program().says("client 0 joined"));
    raw_client c{server.socket()};
    CHECK(c.knows({0, 1}, vectors));
    for (int i = 0; i < 20; ++i) {
        raw_client next{server.socket()};
        REQUIRE(next.joined(vectors));
    }
    CHECK(device.runs());
    INFO(device.output());
    CHECK(device.output().empty());
}
