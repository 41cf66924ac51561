// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/mapping.hpp"
#include "helpers/catch.hpp"
#include "vm.hpp"

// The profile v2.

using namespace host;
namespace wire = ivshmem_device::wire;

namespace {

constexpr std::uint64_t int_control = 0x08;
constexpr std::uint64_t state = 0x10;
constexpr std::uint8_t msix_at = 0x60;
constexpr std::uint64_t privileged_control = 0x43;

/// Small sections: a state table at 0, 8 KiB for all at 4096, an output section each of 4 KiB.
std::vector<std::string> small(const std::vector<std::string>& more = {}) {
    std::vector<std::string> options{"v2", "--max-peers", "3", "--rw-size", "8K", "--output-size",
                                     "4K", "--vectors",   "3"};
    options.insert(options.end(), more.begin(), more.end());
    return options;
}

void arm(vm& v) {
    v.take_interrupts(VFIO_PCI_MSIX_IRQ_INDEX, 3);
    v.start(msix_at);
    v.set(registers, int_control, std::uint32_t{1});
}

} // namespace

TEST_CASE("v2: the capability describes the sections") {
    running_device device{small({"--protocol", "0x4001"})};
    vm b{device.socket(1)};
    CHECK(b.config(0x00) == 0x4106110a);
    CHECK(b.config(0x08) == 0xff400100);
    CHECK(b.config(0x34) == 0x40);
    CHECK((b.config(0x40) & 0xffffff) == 0x186009);
    CHECK(b.config(0x44) == 4096);
    CHECK(b.get<std::uint64_t>(VFIO_PCI_CONFIG_REGION_INDEX, 0x48) == 8192);
    CHECK(b.get<std::uint64_t>(VFIO_PCI_CONFIG_REGION_INDEX, 0x50) == 4096);
    CHECK((b.config(0x60) & 0xff) == 0x11);
    CHECK(b.get(registers, 0x00) == 1);
    CHECK(b.get(registers, 0x04) == 3);
    CHECK(b.region_at(0).info.size == 4096);
    const auto bar2 = b.region_at(2);
    CHECK(bar2.info.size == 32768); // 24 KiB, rounded up
    REQUIRE(bar2.areas.size() == 1);
    CHECK((bar2.areas[0].offset == 0 && bar2.areas[0].size == 24576));
    // Only aligned words are registers; others read 0.
    CHECK(b.get<std::uint8_t>(registers, 0x04) == 0);
    CHECK(b.get<std::uint64_t>(registers, 0x00) == 0);
    CHECK(b.get(registers, doorbell) == 0);
    CHECK(b.get(registers, 0x14) == 0);
}

TEST_CASE("v2: a state is in the table, and a change notifies the others") {
    running_device device{small(), 3};
    vm a{device.socket(0)};
    vm b{device.socket(1)};
    vm c{device.socket(2)};
    for (vm* v : {&a, &b, &c})
        arm(*v);
    b.set(registers, state, std::uint32_t{0x12345678});
    CHECK(a.interrupted(0));
    CHECK(c.interrupted(0));
    CHECK(b.taken(0) == 0);
    CHECK(b.get(registers, state) == 0x12345678);
    CHECK(a.get(memory, 4) == 0x12345678);
    b.set(registers, state, std::uint32_t{0x12345678}); // no change
    CHECK(a.get(memory, 4) == 0x12345678);
    CHECK((a.taken(0) == 0 && c.taken(0) == 0));
    CHECK(b.call(wire::command::reset).number == 0);
    CHECK(a.interrupted(0));
    CHECK(c.interrupted(0));
    CHECK(a.get(memory, 4) == 0);
    CHECK(b.get(registers, state) == 0);
    CHECK(b.get(registers, int_control) == 0);
}

TEST_CASE("v2: a VM that is gone has state 0, and may come back") {
    running_device device{small()};
    vm a{device.socket(0)};
    arm(a);
    for (int i = 0; i < 3; ++i) {
        vm b{device.socket(1)};
        b.set(registers, state, std::uint32_t{7});
        CHECK(a.interrupted(0));
        CHECK(a.get(memory, 4) == 7);
        b.close();
        CHECK(a.interrupted(0));
        CHECK(a.get(memory, 4) == 0);
    }
}

TEST_CASE("v2: events need IntControl, and vectors that exist") {
    running_device device{small()};
    vm a{device.socket(0)};
    vm b{device.socket(1)};
    arm(b);
    a.set(registers, doorbell, rings(1, 2));
    CHECK(b.interrupted(2));
    b.set(registers, doorbell, rings(1, 1)); // itself
    CHECK(b.interrupted(1));
    a.set(registers, doorbell, rings(1, 3));
    a.set(registers, doorbell, rings(2, 0));
    a.set(registers, doorbell, rings(0xffff, 0));
    b.set(registers, int_control, std::uint32_t{2}); // only bit 0 counts
    CHECK(b.get(registers, int_control) == 0);
    a.set(registers, doorbell, rings(1, 2));
    a.set(registers, state, std::uint32_t{1});
    b.set(registers, int_control, std::uint32_t{1});
    CHECK(b.get(registers, int_control) == 1);
    for (std::uint32_t vector = 0; vector < 3; ++vector)
        CHECK(b.taken(vector) == 0); // lost
}

TEST_CASE("v2: one-shot disarms with each event, before its delivery") {
    running_device device{small()};
    vm a{device.socket(0)};
    vm b{device.socket(1)};
    arm(b);
    // As a byte, and as a word, which Zephyr writes.
    if (GENERATE(true, false))
        b.set<std::uint8_t>(VFIO_PCI_CONFIG_REGION_INDEX, privileged_control, 0xff);
    else
        b.set<std::uint32_t>(VFIO_PCI_CONFIG_REGION_INDEX, 0x40, 0xffffffff);
    CHECK(b.config(0x40) == 0x01186009);
    a.set(registers, doorbell, rings(1, 3)); // no such vector: no event
    CHECK(b.get(registers, int_control) == 1);
    a.set(registers, doorbell, rings(1, 2));
    CHECK(b.interrupted(2));
    CHECK(b.get(registers, int_control) == 0);
    a.set(registers, doorbell, rings(1, 2));
    CHECK(b.taken(2) == 0);
    b.set(registers, int_control, std::uint32_t{1});
    CHECK(b.taken(2) == 0);
    // Without bus mastering the event is lost, and the device is disarmed.
    b.set<std::uint16_t>(VFIO_PCI_CONFIG_REGION_INDEX, 0x04, 0x02);
    a.set(registers, doorbell, rings(1, 2));
    CHECK(b.get(registers, int_control) == 0);
    b.start(msix_at);
    CHECK(b.taken(2) == 0);
    // One-shot that is switched off arms nothing; a reset switches it off.
    b.set<std::uint8_t>(VFIO_PCI_CONFIG_REGION_INDEX, privileged_control, 0);
    CHECK(b.get(registers, int_control) == 0);
    b.set<std::uint8_t>(VFIO_PCI_CONFIG_REGION_INDEX, privileged_control, 1);
    CHECK(b.call(wire::command::reset).number == 0);
    CHECK(b.config(0x40) == 0x00186009);
    CHECK((b.config(0x04) & 0xffff) == 0);
}

TEST_CASE("v2: protected, only what a VM may write is mapped, and other stores never arrive") {
    running_device device{small({"--protect"}), 3};
    vm a{device.socket(0)};
    vm b{device.socket(1)};
    const auto bar2 = b.region_at(2);
    REQUIRE(bar2.areas.size() == 2);
    CHECK((bar2.areas[0].offset == 4096 && bar2.areas[0].size == 8192));
    CHECK((bar2.areas[1].offset == 16384 && bar2.areas[1].size == 4096));
    a.set(registers, state, std::uint32_t{5});
    b.set(memory, 0, std::uint32_t{9}); // a state
    CHECK(b.get(memory, 0) == 5);
    a.set(memory, 12288, std::uint32_t{1}); // its own output section
    b.set(memory, 12288, std::uint32_t{2});
    b.set<std::uint64_t>(memory, 16380, ~std::uint64_t{0}); // half of it is foreign
    CHECK(b.get(memory, 12288) == 1);
    CHECK(b.get<std::uint64_t>(memory, 16380) == 0);
    b.set(memory, 16384, std::uint32_t{3});
    CHECK(a.get(memory, 16384) == 3);
    a.set(memory, 4096, std::uint32_t{4}); // for all
    CHECK(b.get(memory, 4096) == 4);
    CHECK(b.get(memory, 32764) == 0); // beyond the sections
    b.set(memory, 32764, std::uint32_t{1});
    CHECK(b.get(memory, 32764) == 0);
}

TEST_CASE("v2: the first VM of a link finds all states 0") {
    running_device device{small()};
    {
        vm a{device.socket(0)};
        const auto bar2 = a.region_at(2);
        const ivshmem::mapping at{bar2.fd.get(), 24576, 0};
        REQUIRE(at);
        at.bytes()[4] = std::byte{1}; // not its own state
        at.bytes()[5000] = std::byte{2};
    }
    REQUIRE(device.says("disconnected"));
    vm b{device.socket(1)};
    CHECK(b.get(memory, 4) == 0);
    CHECK(b.get<std::uint8_t>(memory, 5000) == 2); // only the states
}

TEST_CASE("v2: INTx in place of MSI-X") {
    running_device device{{"v2", "--intx"}};
    vm a{device.socket(0)};
    vm b{device.socket(1)};
    CHECK((b.config(0x3c) >> 8 & 0xff) == 1);
    CHECK((b.config(0x40) >> 8 & 0xff) == 0); // the last capability
    CHECK(b.region_at(1).info.size == 0);
    CHECK(b.irq_at(VFIO_PCI_MSIX_IRQ_INDEX).count == 0);
    b.take_interrupts(VFIO_PCI_INTX_IRQ_INDEX, 1);
    b.start(0);
    b.set(registers, int_control, std::uint32_t{1});
    a.set(registers, state, std::uint32_t{1});
    CHECK(b.interrupted(0));
    CHECK((b.config(0x04) >> 16 & 8) == 0);  // the status never says so
    a.set(registers, doorbell, rings(1, 1)); // INTx is one vector
    const auto unmask =
        irq_set(VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1);
    CHECK(b.call(wire::command::set_irqs, unmask).number == 0);
    CHECK(b.taken(0) == 0);
    a.set(registers, doorbell, rings(1, 0));
    CHECK(b.interrupted(0));
}

TEST_CASE("axvisor: v1's PCI ids, with other registers") {
    running_device device{{"axvisor", "--max-peers", "3"}};
    vm b{device.socket(1)};
    CHECK(b.config(0x00) == 0x11101af4);
    CHECK((b.config(0x08) & 0xff) == 1);
    CHECK(b.config(0x34) == 0x60);
    CHECK(b.region_at(0).info.size == 4096);
    CHECK(b.get(registers, 0x00) == 1);
    CHECK(b.get(registers, 0x04) == 3);
    b.set(registers, doorbell, rings(1, 1));
    CHECK(b.get(registers, 0x14) == 2);
    b.set(registers, 0x14, std::uint32_t{2});
    CHECK(b.get(registers, 0x14) == 0);
}

TEST_CASE("v2: without BAR 2 the capability has the address at which the guest put the memory") {
    running_device device{small({"--no-bar2"})};
    vm b{device.socket(1)};
    CHECK((b.config(0x40) & 0xffffff) == 0x206009);
    CHECK(b.region_at(2).info.size == 0);
    const auto hidden = b.region_at(4);
    CHECK(hidden.info.size == 32768);
    CHECK(hidden.areas.size() == 1);
    b.set<std::uint64_t>(VFIO_PCI_CONFIG_REGION_INDEX, 0x20, 0x80fe000000);
    CHECK(b.get<std::uint64_t>(VFIO_PCI_CONFIG_REGION_INDEX, 0x20) == 0x80fe00000c);
    CHECK(b.get<std::uint64_t>(VFIO_PCI_CONFIG_REGION_INDEX, 0x58) == 0x80fe000000);
    CHECK(b.call(wire::command::reset).number == 0);
    CHECK(b.get<std::uint64_t>(VFIO_PCI_CONFIG_REGION_INDEX, 0x58) == 0);
}
