// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "client.hpp"
#include "helpers/catch.hpp"
#include "places.hpp"

// Many more joins than there are ids, with a QEMU that stays. This takes minutes.

using namespace host;

TEST_CASE("QEMU stays connected over more joins than there are ids") {
    constexpr int joins = 1'000'000;
    running_server server;
    process device{{QEMU, "-M", "q35", "-accel", "tcg", "-S", "-nodefaults", "-display", "none",
                    "-chardev", "socket,id=server,path=" + server.socket(), "-device",
                    "ivshmem-doorbell,chardev=server,vectors=1"},
                   server.folder / "device"};
    REQUIRE(server.program().says("client 0 joined"));
    raw_client stays{server.socket()};
    REQUIRE(stays.knows({0, 1}, 1));
    for (int i = 0; i < joins; ++i) {
        raw_client c{server.socket()};
        REQUIRE(c.joined(1));
        stays.read_all();
    }
    CHECK(stays.wrong().empty());
    CHECK(stays.departures() == ivshmem_server::ids::count - ivshmem_server::places::reserve - 2);
    raw_client last{server.socket()};
    REQUIRE(last.joined(1)); // it may know of one more: departures are not announced now
    CHECK((last.peers().contains(0) && last.peers().contains(1)));
    CHECK(eventually([&] {
        stays.read_all();
        return stays.peers().contains(last.id());
    }));
    CHECK(device.runs());
    INFO(device.output());
    CHECK(device.output().empty());
}
