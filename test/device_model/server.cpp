// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/server_protocol.hpp"
#include "base/mapping.hpp"
#include "helpers/catch.hpp"
#include "helpers/has.hpp"
#include "vm.hpp"

#include <ivshmem/device.hpp>

#include <algorithm>
#include <chrono>

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// The profile qemu as a peer of an ivshmem server: VMs and processes of the host share one region.

using namespace host;
using namespace std::chrono_literals;
using ivshmem::unique_fd;
using test::has;

TEST_CASE("server: VMs and host processes ring each other, and share the memory") {
    running_server server{{"-n", "3", "-l", "1M"}};
    auto client = ivshmem::device::open(ivshmem::selector::server(server.socket()));
    REQUIRE(client.id() == 0);
    running_device device{{"qemu", "-n", "4", "--server", server.socket()}};
    vm a{device.socket(0)};
    vm b{device.socket(1)};
    const auto bar2 = a.region_at(2);
    CHECK(bar2.info.size == 1 << 20);
    const ivshmem::mapping at{bar2.fd.get(), 1 << 20, 0};
    REQUIRE(at);
    at.bytes()[77] = std::byte{3};
    CHECK(client.memory()[77] == std::byte{3});
    CHECK(b.get<std::uint8_t>(VFIO_PCI_BAR2_REGION_INDEX, 77) == 3);
    b.set<std::uint8_t>(VFIO_PCI_BAR2_REGION_INDEX, 78, 4);
    CHECK(client.memory()[78] == std::byte{4});

    CHECK(a.get(registers, 8) == 1);
    CHECK(b.get(registers, 8) == 2);
    for (vm* v : {&a, &b}) {
        v->take_interrupts(VFIO_PCI_MSIX_IRQ_INDEX, 4);
        v->start(0x40);
    }
    client.ring(1, 2);
    CHECK(a.interrupted(2));
    a.set(registers, doorbell, rings(0, 1));
    CHECK(client.wait(1, 30s) > 0);
    a.set(registers, doorbell, rings(2, 0));
    CHECK(b.interrupted(0));
    a.set(registers, doorbell, rings(1, 1)); // itself
    CHECK(a.interrupted(1));
    a.set(registers, doorbell, rings(2, 3)); // the server has 3 vectors
    a.set(registers, doorbell, rings(9, 0));
    CHECK(b.taken(3) == 0);

    // A VM that comes back is a new peer.
    b.close();
    REQUIRE(device.says("disconnected"));
    vm c{device.socket(1)};
    CHECK(c.get(registers, 8) == 3);
    const auto peers = [&] {
        return client.peers();
    };
    CHECK(eventually([&] {
        while (client.next_event())
            ;
        return peers() == std::vector<std::uint16_t>{1, 3};
    }));
    c.take_interrupts(VFIO_PCI_MSIX_IRQ_INDEX, 4);
    c.start(0x40);
    a.set(registers, doorbell,
          rings(2, 0)); // the one that left: no crash, as QEMU has after an unplug
    client.ring(3, 0);
    CHECK(c.interrupted(0));

    // The server's end leaves the VMs alone.
    server.program().signal(SIGKILL);
    CHECK(device.says("it keeps its memory"));
    c.set(registers, doorbell, rings(1, 0));
    CHECK(a.interrupted(0));
}

TEST_CASE("server: a ring that comes before the VM is ready is not lost") {
    running_server server{{"-n", "1"}};
    auto client = ivshmem::device::open(ivshmem::selector::server(server.socket()));
    running_device device{{"qemu", "--server", server.socket()}, 1};
    vm a{device.socket(0)};
    REQUIRE(a.get(registers, 8) == 1);
    REQUIRE(eventually([&] {
        while (client.next_event())
            ;
        return client.peers().size() == 1;
    }));
    client.ring(1, 0);
    a.take_interrupts(VFIO_PCI_MSIX_IRQ_INDEX, 1);
    a.start(0x40);
    CHECK(a.interrupted(0));
}

TEST_CASE("server: a VM is refused while the server cannot be used") {
    const temporary_folder folder;
    const std::string path = folder / "server";
    running_device device{{"qemu", "--server", path}, 1};
    SECTION("there is none") {
        vm a{device.socket(0), false};
        CHECK(a.closed());
        CHECK(device.says("no ivshmem server listens there"));
        // It may start later.
        host::process server{{server_program(), "-F", "-S", path}, folder / "log"};
        REQUIRE(server.says("listening on"));
        CHECK(vm{device.socket(0)}.get(registers, 8) == 0);
    }
    const auto answers_with = [&](const std::vector<std::int64_t>& values, int fd) {
        unique_fd listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::copy(path.begin(), path.end(), std::begin(address.sun_path));
        REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address),
                       sizeof address) == 0);
        REQUIRE(::listen(listener.get(), 1) == 0);
        vm a{device.socket(0), false};
        const unique_fd peer{::accept(listener.get(), nullptr, nullptr)};
        std::error_code ec;
        for (const std::int64_t value : values)
            REQUIRE(ivshmem::server_protocol::send(peer.get(), value, value == -1 ? fd : -1, ec));
        CHECK(a.closed());
    };
    SECTION("it is another protocol's") {
        answers_with({1}, -1);
        CHECK(device.says("no ivshmem server of protocol 0"));
    }
    SECTION("its memory is no power of two") {
        const unique_fd memory{::memfd_create("odd", MFD_CLOEXEC)};
        REQUIRE(::ftruncate(memory.get(), 12288) == 0);
        answers_with({0, 5, -1}, memory.get());
        CHECK(device.says("the server's memory has 12288 bytes, and a BAR must be a power of two"));
    }
    SECTION("its memory is empty, or no file") {
        const bool empty = GENERATE(true, false);
        const unique_fd memory{empty ? ::memfd_create("empty", MFD_CLOEXEC)
                                     : ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
        answers_with({0, 5, -1}, memory.get());
        CHECK(device.says("shared memory that is no file with bytes in it"));
    }
    SECTION("it sends no memory") {
        answers_with({0, 5, 7}, -1);
        CHECK(device.says("the server sent 7 without a descriptor"));
    }
    SECTION("it says nothing") {
        answers_with({}, -1);
        CHECK(device.says("the ivshmem server sent no whole greeting within 4 s"));
    }
}

TEST_CASE("server: a device's socket is no server's, and the other way round") {
    const std::string profile = GENERATE("v2", "qemu");
    running_device device{{profile}, 1};
    ivshmem::open_options brief;
    brief.timeout = 200ms;
    try {
        static_cast<void>(
            ivshmem::device::open(ivshmem::selector::server(device.socket(0)), brief));
        FAIL("nothing was thrown");
    } catch (const ivshmem::error& e) {
        INFO(e.what());
        CHECK(e.code() == ivshmem::errc::timed_out);
        CHECK(has(e.what(), device.socket(0) + ": the ivshmem server sent no whole greeting"));
        CHECK(has(e.what(), "a socket of ivshmem-device is for a VM"));
    }
    // The VM is not kept out.
    CHECK(vm{device.socket(0)}.config(0) == (profile == "v2" ? 0x4106110a : 0x11101af4));

    running_server server{{"-n", "1"}};
    auto client = ivshmem::device::open(ivshmem::selector::server(server.socket()));
    vm lost{server.socket(), false};
    static_cast<void>(lost.send(ivshmem_device::wire::command::version, {}));
    CHECK(lost.closed());
    CHECK(server.program().says("QEMU's vfio-user-pci needs a socket of ivshmem-device"));
    client.ring(0, 0);
    CHECK(client.wait(0, 30s) > 0);
}
