// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/mapping.hpp"
#include "helpers/catch.hpp"
#include "helpers/has.hpp"
#include "vm.hpp"

#include <array>

#include <sys/eventfd.h>
#include <unistd.h>

// The profiles with the registers of v1.

using namespace host;
namespace wire = ivshmem_device::wire;

namespace {

constexpr std::uint64_t mask = 0;
constexpr std::uint64_t status = 4;
constexpr std::uint64_t position = 8;

} // namespace

TEST_CASE("qemu: the configuration space is that of QEMU's device") {
    running_device device{{"qemu", "--vectors", "4", "--size", "1M"}};
    vm a{device.socket(0)};
    CHECK(a.config(0x00) == 0x11101af4);
    CHECK(a.config(0x08) == 0x05000001);
    CHECK(a.config(0x2c) == 0x11001af4);
    CHECK(a.config(0x34) == 0x40);
    CHECK((a.config(0x40) & 0xff) == 0x11);
    CHECK((a.config(0x40) >> 16) == 3); // 4 vectors
    CHECK((a.config(0x10) & 0xf) == 0);
    CHECK((a.config(0x18) & 0xf) == 0xc);  // 64 bits, prefetchable
    CHECK((a.config(0x3c) & 0xff00) == 0); // no pin
    CHECK(a.region_at(0).info.size == 256);
    CHECK(a.region_at(1).info.size == 4096);
    const auto bar2 = a.region_at(2);
    CHECK(bar2.info.size == 1 << 20);
    CHECK((bar2.info.flags & VFIO_REGION_INFO_FLAG_MMAP) != 0);
    REQUIRE(bar2.areas.size() == 1);
    CHECK((bar2.areas[0].offset == 0 && bar2.areas[0].size == 1 << 20));
    CHECK(a.region_at(VFIO_PCI_CONFIG_REGION_INDEX).info.size == 256);
    for (const unsigned absent :
         {3U, 4U, 5U, unsigned{VFIO_PCI_ROM_REGION_INDEX}, unsigned{VFIO_PCI_VGA_REGION_INDEX}})
        CHECK(a.region_at(absent).info.size == 0);
    CHECK(a.irq_at(VFIO_PCI_MSIX_IRQ_INDEX).count == 4);
    CHECK((a.irq_at(VFIO_PCI_MSIX_IRQ_INDEX).flags & VFIO_IRQ_INFO_NORESIZE) == 0);
    CHECK(a.irq_at(VFIO_PCI_INTX_IRQ_INDEX).count == 0);
}

TEST_CASE("qemu: VMs ring each other on every vector, and themselves") {
    running_device device{{"qemu", "--vectors", "256"}};
    vm a{device.socket(0)};
    vm b{device.socket(1)};
    CHECK(a.get(registers, position) == 0);
    CHECK(b.get(registers, position) == 1);
    for (vm* each : {&a, &b}) {
        each->take_interrupts(VFIO_PCI_MSIX_IRQ_INDEX, 256);
        each->start(0x40);
    }
    for (const std::uint32_t vector : {0U, 1U, 255U}) {
        a.set(registers, doorbell, rings(1, vector));
        CHECK(b.interrupted(vector));
        b.set(registers, doorbell, rings(1, vector));
        CHECK(b.interrupted(vector));
    }
    // QEMU's own device would ring vector 0 for 256, and die of peer 2.
    a.set(registers, doorbell, rings(1, 256));
    a.set(registers, doorbell, rings(2, 0));
    a.set(registers, doorbell, rings(0xffff, 0xffff));
    CHECK(a.get(registers, position) == 0); // all of these are handled
    for (std::uint32_t vector = 0; vector < 256; ++vector)
        CHECK((a.taken(vector) == 0 && b.taken(vector) == 0));
}

TEST_CASE("qemu: a ring that comes before MSI-X is enabled is pending") {
    running_device device{{"qemu"}};
    vm a{device.socket(0)};
    vm b{device.socket(1)};
    b.take_interrupts(VFIO_PCI_MSIX_IRQ_INDEX, 1);
    a.set(registers, doorbell, rings(1, 0));
    CHECK(b.taken(0) == 0);
    CHECK(b.get<std::uint64_t>(VFIO_PCI_BAR1_REGION_INDEX, 0x800) == 1);
    b.start(0x40);
    CHECK(b.interrupted(0));
    CHECK(b.get<std::uint64_t>(VFIO_PCI_BAR1_REGION_INDEX, 0x800) == 0);
}

TEST_CASE("qemu: nothing is interrupted without bus mastering, or after vectors are taken back") {
    running_device device{{"qemu"}};
    vm a{device.socket(0)};
    a.take_interrupts(VFIO_PCI_MSIX_IRQ_INDEX, 1);
    a.start(0x40);
    a.set<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, 0x04, 0x02);
    a.set(registers, doorbell, rings(0, 0));
    CHECK(a.taken(0) == 0);
    a.set<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, 0x04, 0x06);
    CHECK(a.interrupted(0));
    constexpr std::uint32_t flags = VFIO_IRQ_SET_ACTION_TRIGGER;
    const auto none = irq_set(VFIO_PCI_MSIX_IRQ_INDEX, flags | VFIO_IRQ_SET_DATA_EVENTFD, 0, 1);
    CHECK(a.call(wire::command::set_irqs, none).number == 0);
    a.set(registers, doorbell, rings(0, 0));
    CHECK(a.taken(0) == 0);
}

TEST_CASE("qemu: all VMs map the same memory, which cannot shrink") {
    running_device device{{"qemu", "--size", "8192"}};
    vm a{device.socket(0)};
    vm b{device.socket(1)};
    const auto of_a = a.region_at(memory);
    const auto of_b = b.region_at(memory);
    const ivshmem::mapping at_a{of_a.fd.get(), 8192, 0};
    const ivshmem::mapping at_b{of_b.fd.get(), 8192, 0};
    REQUIRE((at_a && at_b));
    at_a.bytes()[5000] = std::byte{42};
    CHECK(at_b.bytes()[5000] == std::byte{42});
    CHECK(::ftruncate(of_a.fd.get(), 4096) != 0);
    // What is not mapped is reached by messages.
    CHECK(b.get<std::uint8_t>(memory, 5000) == 42);
    b.set<std::uint64_t>(memory, 8184, 7);
    CHECK(at_a.bytes()[8184] == std::byte{7});
}

TEST_CASE("qemu: without vectors the device is ivshmem-plain") {
    running_device device{{"qemu", "--vectors", "0"}};
    vm b{device.socket(1)};
    CHECK(b.get(registers, position) == 0);
    CHECK(b.config(0x34) == 0);
    CHECK(b.region_at(1).info.size == 0);
    CHECK(b.irq_at(VFIO_PCI_MSIX_IRQ_INDEX).count == 0);
    b.set(registers, doorbell, rings(0, 0));
}

TEST_CASE("qemu: narrow and wide accesses of registers are as QEMU's device takes them") {
    running_device device{{"qemu"}};
    vm b{device.socket(1)};
    b.set<std::uint8_t>(registers, mask, 0xff);
    CHECK(b.get(registers, mask) == 0xff);
    CHECK(b.get<std::uint8_t>(registers, position) == 1);
    CHECK(b.get<std::uint64_t>(registers, position) == 1);
    CHECK(b.get<std::uint16_t>(registers, position + 2) == 0);
    b.set<std::uint64_t>(registers, mask, 0x1200000034);
    CHECK(b.get(registers, mask) == 0x34);
    CHECK(b.get(registers, status) == 0x12);
    CHECK(b.get(registers, status) == 0); // a read clears it
    CHECK(b.get(registers, 0xfc) == 0);
}

TEST_CASE("acrn-hv: the region is in the subsystem, ids are given, masked vectors are dropped") {
    running_device device{{"acrn-hv", "--id", "5", "--region", "3"}};
    vm a{device.socket(0)};
    vm b{device.socket(1)};
    CHECK(a.config(0x2c) == 0x00038086);
    CHECK(a.irq_at(VFIO_PCI_MSIX_IRQ_INDEX).count == 8);
    CHECK(a.get(registers, position) == 5);
    CHECK(b.get(registers, position) == 6);
    CHECK(b.get<std::uint8_t>(registers, position) == 0); // only 4 bytes have an effect
    b.take_interrupts(VFIO_PCI_MSIX_IRQ_INDEX, 8);
    a.set(registers, doorbell, rings(6, 7));
    b.start(0x40);
    CHECK(b.taken(7) == 0); // dropped, not pending
    a.set(registers, doorbell, rings(6, 7));
    CHECK(b.interrupted(7));
    a.set<std::uint16_t>(registers, doorbell, 7);
    CHECK(a.get(registers, position) == 5);
    CHECK(b.taken(7) == 0);
}

TEST_CASE("acrn-dm and cloud-hypervisor have memory only") {
    SECTION("acrn-dm") {
        running_device device{{"acrn-dm", "--size", "2M"}};
        vm b{device.socket(1)};
        CHECK(b.region_at(1).info.size == 4096);
        CHECK(b.config(0x34) == 0);
        CHECK((b.config(0x18) & 0xf) == 0x4); // not prefetchable
        CHECK(b.get(registers, position) == 0);
        CHECK(b.get(registers, 0x10) == 0xffffffff);
        b.set(registers, doorbell, rings(0, 0));
    }
    SECTION("acrn-dm, more than 32 MB") {
        running_device device{{"acrn-dm", "--size", "64M"}};
        vm b{device.socket(1)};
        CHECK((b.config(0x18) & 0xf) == 0xc);
    }
    SECTION("cloud-hypervisor") {
        running_device device{{"cloud-hypervisor"}};
        vm b{device.socket(1)};
        CHECK(b.region_at(1).info.size == 0);
        CHECK(b.config(0x08) == 0x05000001);
        for (const std::uint64_t at : {mask, status, position, doorbell})
            CHECK(b.get(registers, at) == 0);
    }
}

TEST_CASE("revision-0: its position is late, after each reset, and until then it rings nobody") {
    running_device device{{"revision-0", "--late", "100"}};
    vm a{device.socket(0)};
    CHECK(eventually([&] { return a.get(registers, position) == 0; }));
    CHECK(eventually([&] {
        REQUIRE(a.call(wire::command::reset).number == 0);
        return a.get(registers, position) == 0xffffffff;
    }));
    running_device other{{"revision-0", "--late", "4294967295"}};
    vm never{other.socket(0)};
    never.take_interrupts(VFIO_PCI_MSIX_IRQ_INDEX, 1);
    never.start(0x40);
    never.set(registers, doorbell, rings(0, 0));
    CHECK(never.get(registers, position) == 0xffffffff);
    CHECK(never.taken(0) == 0);
}

TEST_CASE("revision-0: INTx follows status and mask") {
    running_device device{{"revision-0", "--intx"}};
    vm a{device.socket(0)};
    vm b{device.socket(1)};
    CHECK((b.config(0x08) & 0xff) == 0);
    CHECK((b.config(0x3c) >> 8 & 0xff) == 1);
    CHECK(b.irq_at(VFIO_PCI_INTX_IRQ_INDEX).count == 1);
    CHECK(b.region_at(1).info.size == 0);
    CHECK(b.get(registers, position) == 1);
    b.take_interrupts(VFIO_PCI_INTX_IRQ_INDEX, 1);
    b.start(0);
    a.set(registers, doorbell, rings(1, 3));
    CHECK(b.taken(0) == 0); // masked
    b.set(registers, mask, std::uint32_t{1});
    CHECK(b.interrupted(0));
    CHECK((b.config(0x04) >> 16 & 8) == 8);
    CHECK(b.get(registers, status) == 1);
    CHECK((b.config(0x04) >> 16 & 8) == 0);
    a.set(registers, doorbell, rings(1, 0));
    CHECK(b.taken(0) == 0); // until the client unmasks
    const auto unmask =
        irq_set(VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1);
    CHECK(b.call(wire::command::set_irqs, unmask).number == 0);
    CHECK(b.interrupted(0));

    // KVM unmasks by an eventfd.
    const ivshmem::unique_fd handled{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    const std::array fds{handled.get()};
    const auto watch = irq_set(VFIO_PCI_INTX_IRQ_INDEX,
                               VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1);
    CHECK(b.call(wire::command::set_irqs, watch, fds).number == 0);
    for (int i = 0; i < 3; ++i) {
        CHECK(b.taken(0) == 0);
        const std::uint64_t one = 1;
        REQUIRE(::write(handled.get(), &one, sizeof one) == sizeof one);
        CHECK(b.interrupted(0)); // the level is still there
    }
    // The guest can disable INTx, and what is pending then comes later.
    b.set<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, 0x04, 0x406);
    CHECK(b.call(wire::command::set_irqs, unmask).number == 0);
    CHECK(b.taken(0) == 0);
    b.start(0);
    CHECK(b.interrupted(0));
}

TEST_CASE("revision-0: with MSI-X it rings as v1 does") {
    running_device device{{"revision-0", "--vectors", "2"}};
    vm a{device.socket(0)};
    CHECK((a.config(0x08) & 0xff) == 0);
    a.take_interrupts(VFIO_PCI_MSIX_IRQ_INDEX, 2);
    a.start(0x40);
    a.set(registers, doorbell, rings(0, 1));
    CHECK(a.interrupted(1));
}

TEST_CASE("a PCI Express endpoint, if it is asked for") {
    const bool v2 = GENERATE(true, false);
    running_device device{{v2 ? "v2" : "qemu", "--express"}};
    vm a{device.socket(0)};
    CHECK((a.config(v2 ? 0x60 : 0x40) & 0xffff) == 0x8011);
    CHECK(a.config(0x80) == 0x00020010); // the last capability; version 2, an endpoint
    a.set<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, 0x88, 0xffff);
    CHECK((a.config(0x88) & 0xffff) == 0x7fff);
    running_device conventional{{v2 ? "v2" : "qemu"}};
    CHECK(vm{conventional.socket(0)}.config(0x80) == 0);
}
