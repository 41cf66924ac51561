// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/catch.hpp"
#include "helpers/has.hpp"
#include "vm.hpp"

#include <filesystem>
#include <fstream>
#include <memory>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

// The begin and the end: of the program, of its sockets, and of VMs.

using namespace host;
using test::has;
namespace wire = ivshmem_device::wire;

TEST_CASE("a signal ends the devices, and removes the sockets") {
    const int signal = GENERATE(SIGTERM, SIGINT, SIGHUP);
    running_device device{{"v2"}};
    vm a{device.socket(0)};
    device.program().signal(signal);
    CHECK(device.program().wait() == 0);
    CHECK_FALSE(std::filesystem::exists(device.socket(0)));
    CHECK_FALSE(std::filesystem::exists(device.socket(1)));
    CHECK(a.closed());
    CHECK(has(device.program().output(), "ending: signal " + std::to_string(signal)));
}

TEST_CASE("sockets that dead devices left are replaced, and those that are served are not") {
    const temporary_folder folder;
    const std::string socket = folder / "socket";
    {
        process first{{IVSHMEM_DEVICE, "qemu", "-S", socket}, folder / "first"};
        REQUIRE(first.says("listening on"));
        first.signal(SIGKILL);
        REQUIRE(first.wait() == 128 + SIGKILL);
    }
    process second{{IVSHMEM_DEVICE, "qemu", "-S", socket}, folder / "second"};
    REQUIRE(second.says("listening on"));
    CHECK(has(second.output(), "removed, left by a dead server"));
    CHECK(eventually([&] { return vm{socket}.config(0) == 0x11101af4; }));
    const outcome third = run_device({"qemu", "-S", socket});
    CHECK(third.code == 1);
    CHECK(has(third.output, socket + ": another server listens there"));
    // Of several sockets, those that were made are removed again.
    const outcome fourth = run_device({"qemu", "-S", folder / "new", "-S", socket});
    CHECK(fourth.code == 1);
    CHECK_FALSE(std::filesystem::exists(folder / "new"));
    CHECK(std::filesystem::exists(socket));
}

TEST_CASE("a file that is no socket is kept, and nothing starts") {
    const temporary_folder folder;
    const std::string path = folder / "file";
    if (GENERATE(true, false))
        std::ofstream{path} << "kept";
    else
        std::filesystem::create_directory(path);
    const bool was_folder = std::filesystem::is_directory(path);
    const outcome o = run_device({"v2", "-S", folder / "first", "-S", path});
    CHECK(o.code == 1);
    CHECK(has(o.output, path + ": it exists and is not a socket; choose another path (--socket)"));
    CHECK(std::filesystem::is_directory(path) == was_folder);
    CHECK((was_folder || std::filesystem::file_size(path) == 4));
    CHECK_FALSE(std::filesystem::exists(folder / "first"));
}

TEST_CASE("a VM may move its BARs at any time, and no other VM notices") {
    const bool v2 = GENERATE(true, false);
    running_device device{{v2 ? "v2" : "qemu"}};
    vm a{device.socket(0)};
    vm b{device.socket(1)};
    b.take_interrupts(VFIO_PCI_MSIX_IRQ_INDEX, 1);
    b.start(v2 ? 0x60 : 0x40);
    if (v2)
        b.set(registers, 0x08, std::uint32_t{1}); // IntControl
    b.set<std::uint8_t>(memory, 5000, 42);
    for (const std::uint32_t address : {~0U, 0U, 0xfebf0000U, 0x12345678U}) {
        for (std::uint64_t at = 0x10; at < 0x28; at += 4)
            a.set(VFIO_PCI_CONFIG_REGION_INDEX, at, address);
        CHECK(a.config(0x10) == (address & (v2 ? ~0xfffU : ~0xffU)));
        CHECK((a.config(0x18) & 0xf) == 0xc); // 64 bits, prefetchable
        CHECK(b.config(0x10) == 0);
        CHECK(b.get<std::uint8_t>(memory, 5000) == 42);
        a.set(registers, doorbell, rings(1, 0));
        CHECK(b.interrupted(0));
        CHECK(a.get<std::uint8_t>(memory, 5000) == 42);
    }
}

TEST_CASE("a second client of a VM's socket is refused, and the first goes on") {
    running_device device{{"qemu"}};
    vm a{device.socket(0)};
    REQUIRE(a.config(0) == 0x11101af4);
    for (int i = 0; i < 3; ++i) {
        vm second{device.socket(0), false};
        CHECK(second.closed());
    }
    CHECK(device.says("refused pid " + std::to_string(::getpid())));
    CHECK(device.says("a client is connected, and a VM has one device; give each VM a socket"));
    CHECK(a.config(0) == 0x11101af4);
}

TEST_CASE("a VM that is killed in the middle of anything comes back, and the others go on") {
    running_device device{{"v2"}};
    vm other{device.socket(1)};
    REQUIRE(other.config(0) == 0x4106110a);
    const std::size_t before = device.open_descriptors();
    for (int requests = 0; requests < 12; ++requests) {
        const pid_t child = ::fork();
        if (child == 0) {
            vm a{device.socket(0), requests > 0};
            for (int i = 1; i < requests; ++i)
                a.set(registers, 0x10, static_cast<std::uint32_t>(i));
            a.send(wire::command::region_info, {}); // half of a conversation
            ::kill(::getpid(), SIGKILL);
        }
        REQUIRE(child > 0);
        REQUIRE(::waitpid(child, nullptr, 0) == child);
        // At once: the end of the last process may not have been seen yet.
        vm again{device.socket(0)};
        CHECK(again.get(registers, 0x10) == 0);
        CHECK(other.get(memory, 0) == 0);
        again.close();
        CHECK(eventually([&] { return device.open_descriptors() == before; }));
    }
}

TEST_CASE("a client that says nothing does not keep the VM out for ever") {
    running_device device{{"qemu"}};
    vm silent{device.socket(0), false};
    CHECK(silent.closed());
    CHECK(device.says("QEMU has one since 10.1"));
    CHECK(device.says("its ivshmem-doorbell needs ivshmem-server"));
    CHECK(vm{device.socket(0)}.config(0) == 0x11101af4);
}

TEST_CASE("sixty-four VMs share one process") {
    running_device device{{"v2"}, 64};
    std::vector<std::unique_ptr<vm>> vms;
    for (unsigned i = 0; i < 64; ++i)
        vms.push_back(std::make_unique<vm>(device.socket(i)));
    for (unsigned i = 0; i < 64; ++i) {
        CHECK(vms[i]->get(registers, 0x00) == i);
        CHECK(vms[i]->get(registers, 0x04) == 64);
        vms[i]->set(registers, 0x10, i + 1);
    }
    for (unsigned i = 0; i < 64; ++i)
        CHECK(vms[0]->get(memory, std::uint64_t{i} * 4) == i + 1);
}
