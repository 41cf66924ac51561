// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/catch.hpp"
#include "helpers/has.hpp"
#include "vm.hpp"

#include <filesystem>
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

TEST_CASE("a second client of a VM's socket is refused, and the first goes on") {
    running_device device{{"qemu"}};
    vm a{device.socket(0)};
    REQUIRE(a.config(0) == 0x11101af4);
    for (int i = 0; i < 3; ++i) {
        vm second{device.socket(0), false};
        CHECK(second.closed());
    }
    CHECK(device.says("refused pid " + std::to_string(::getpid())));
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
    CHECK(device.says("QEMU's ivshmem-doorbell needs ivshmem-server"));
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
