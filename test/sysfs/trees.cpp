// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "trees.hpp"

#include <fmt/format.h>

#include <stdexcept>

namespace fake {

// Addresses as SeaBIOS on QEMU's q35 gives them: BAR0 and BAR1 below 4 GiB, small BAR2s too.
function plain(const std::string& address, std::uint64_t size) {
    function f{.address = address};
    f.bars[0] = {0xfebd1000, 256, memory_32};
    f.bars[2] = {size > gib ? 4 * gib : 0xfe000000U, size, memory_64_prefetchable};
    return f;
}

function doorbell(const std::string& address, unsigned vectors, std::uint64_t size) {
    auto f = plain(address, size);
    f.bars[1] = {0xfebd0000, 4 * kib, memory_32};
    f.vectors = vectors;
    return f;
}

namespace {

function with_driver(function f, const char* driver) {
    f.driver = driver;
    f.enabled = true;
    return f;
}

function in_group(function f, unsigned group) {
    f.group = group;
    return f;
}

function acrn(const std::string& address, std::uint16_t region) {
    auto f = doorbell(address, 8, 2 * mib);
    f.subsystem_vendor = 0x8086;
    f.subsystem_device = region;
    return f;
}

/// A device that is not ivshmem and does not affect it.
function other(const std::string& address, std::uint32_t class_code, const char* driver) {
    function f{.address = address, .vendor = 0x8086, .device = 0x10d3, .class_code = class_code};
    f.driver = driver;
    return f;
}

void uio_device(tree& t, const char* driver) {
    auto f = with_driver(doorbell("0000:00:04.0"), driver);
    f.uio = 0;
    t.add(f).node("uio0");
}

void empty(tree& t) {
    t.add(other("0000:00:03.0", 0x020000, "e1000e"));
}

void qemu_plain(tree& t) {
    auto f = plain("0000:00:04.0", 2 * gib);
    f.enabled = true;
    t.add(f).add(other("0000:00:03.0", 0x020000, "e1000e"));
}

void vfio(tree& t) {
    t.add(in_group(with_driver(doorbell("0000:00:04.0"), "vfio-pci"), 4)).node("vfio/4");
    t.add(in_group(other("0000:00:1f.0", 0x060100, ""), 5));
}

void vfio_pair(tree& t) {
    auto bridge = in_group(other("0000:00:02.0", 0x060400, "pcieport"), 7);
    t.add(in_group(with_driver(doorbell("0000:00:04.0"), "vfio-pci"), 7));
    t.add(in_group(with_driver(doorbell("0000:00:05.0", 1), "vfio-pci"), 7));
    t.add(bridge).node("vfio/7");
}

void vfio_not_viable(tree& t) {
    t.add(in_group(with_driver(doorbell("0000:00:04.0"), "vfio-pci"), 7));
    t.add(in_group(other("0000:00:03.0", 0x020000, "e1000e"), 7)).node("vfio/7");
}

void noiommu(tree& t) {
    t.add(in_group(with_driver(doorbell("0000:00:04.0"), "vfio-pci"), 0));
    t.name_group(0, "vfio-noiommu");
}

void uio_pci_generic(tree& t) {
    uio_device(t, "uio_pci_generic");
}
void igb_uio(tree& t) {
    uio_device(t, "igb_uio");
}

void no_driver(tree& t) {
    auto f = doorbell("0000:00:04.0");
    f.enabled = true;
    t.add(f);
}

void other_driver(tree& t) {
    t.add(in_group(with_driver(doorbell("0000:00:04.0"), "uio_ivshmem"), 4));
}

void rev0(tree& t) {
    auto f = with_driver(doorbell("0000:00:04.0", 1), "igb_uio");
    f.revision = 0;
    f.uio = 0;
    t.add(f).node("uio0");
}

/// INTx without MSI-X.
void rev0_intx(tree& t) {
    auto f = with_driver(plain("0000:00:04.0"), "uio_pci_generic");
    f.revision = 0;
    f.pin = 1;
    f.uio = 0;
    t.add(f).node("uio0");
}

void acrn_hv(tree& t) {
    t.add(in_group(with_driver(acrn("0000:00:06.0", 1), "vfio-pci"), 1)).node("vfio/1");
    t.add(in_group(with_driver(acrn("0000:00:07.0", 2), "vfio-pci"), 2)).node("vfio/2");
}

/// The uio_pci_generic of ACRN's kernel.
void acrn_kernel(tree& t) {
    auto f = with_driver(acrn("0000:00:06.0", 1), "uio_pci_generic");
    f.driver_vectors = 8;
    f.uio = 0;
    t.add(f).node("uio0");
}

/// v1's ids with registers of its own: BAR0 is larger, and the subsystem is nobody's.
void axvisor(tree& t) {
    auto f = with_driver(doorbell("0000:00:01.0", 1, 64 * kib), "");
    f.subsystem_vendor = 0;
    f.subsystem_device = 0;
    f.bars[0].size = 4 * kib;
    f.bars[2].flags = memory_32;
    t.add(f);
}

/// BAR1 without an MSI-X capability; a small BAR2 is not prefetchable, so there is no resource2_wc.
void acrn_dm(tree& t) {
    auto f = plain("0000:00:06.0", 2 * mib);
    f.bars[1] = {0xfebd0000, 4 * kib, memory_32};
    f.bars[2].flags = memory_32;
    f.enabled = true;
    t.add(f);
}

void jailhouse(tree& t) {
    function f{.address = "0000:00:0e.0", .vendor = 0x110a, .device = 0x4106};
    f.subsystem_vendor = 0x110a;
    f.subsystem_device = 0x4106;
    f.class_code = 0xff0001; // protocol 1: Ethernet
    f.revision = 0;
    f.vectors = 2;
    f.bars[0] = {0xff000000, 4 * kib, memory_32};
    f.bars[1] = {0xff001000, 4 * kib, memory_32};
    using namespace std::string_literals;
    f.vendor_capability = "\x20\x00"                           // length, one-shot mode off
                          "\x00\x10\x00\x00"                   // state table: 4 KiB
                          "\x00\x00\x00\x00\x00\x00\x00\x00"   // no read/write section
                          "\x00\x00\x01\x00\x00\x00\x00\x00"   // output sections: 64 KiB
                          "\x00\x00\xf0\x3f\x00\x00\x00\x00"s; // base address
    t.add(f);
}

void cloud_hypervisor(tree& t) {
    auto f = plain("0000:00:05.0", 1 * mib);
    f.subsystem_vendor = 0;
    f.subsystem_device = 0;
    f.enabled = true;
    t.add(f);
}

void bar0_mid_page(tree& t) {
    auto f = plain("0000:00:04.0");
    f.bars[0].start += 0x300;
    f.enabled = true;
    t.add(f);
}

void unprivileged(tree& t) {
    auto f = doorbell("0000:00:04.0");
    f.config_size = 64;
    f.enabled = true;
    auto p = plain("0000:00:05.0", 16 * mib);
    p.config_size = 64;
    p.enabled = true;
    t.add(f).add(p);
}

void many(tree& t) {
    constexpr unsigned count = 32;
    for (unsigned i = 0; i < count; ++i) {
        const auto address = fmt::format("0000:{:02x}:{:02x}.0", 1 + i / 16, 1 + i % 16);
        auto f = i % 2 == 0 ? doorbell(address, 1U << i % 5) : plain(address, mib << i % 8);
        f = in_group(with_driver(f, "vfio-pci"), 10 + i);
        f.numa_node = static_cast<int>(i / 16);
        t.add(f).node(fmt::format("vfio/{}", 10 + i));
    }
}

constexpr machine sound[] = {
    {"empty", empty},
    {"plain", qemu_plain},
    {"vfio", vfio},
    {"vfio-pair", vfio_pair},
    {"vfio-not-viable", vfio_not_viable},
    {"noiommu", noiommu},
    {"uio_pci_generic", uio_pci_generic},
    {"igb_uio", igb_uio},
    {"no-driver", no_driver},
    {"other-driver", other_driver},
    {"rev0", rev0},
    {"rev0-intx", rev0_intx},
    {"acrn-hv", acrn_hv},
    {"acrn-kernel", acrn_kernel},
    {"axvisor", axvisor},
    {"acrn-dm", acrn_dm},
    {"jailhouse", jailhouse},
    {"cloud-hypervisor", cloud_hypervisor},
    {"bar0-mid-page", bar0_mid_page},
    {"unprivileged", unprivileged},
    {"many", many},
};

} // namespace

std::span<const machine> sound_machines() {
    return sound;
}

void build_machine(std::string_view name, const std::filesystem::path& root) {
    for (const auto machines : {sound_machines(), odd_machines()})
        for (const auto& machine : machines)
            if (machine.name == name) {
                tree t{root};
                return machine.build(t);
            }
    throw std::out_of_range{std::string{name} + ": no such machine"};
}

} // namespace fake
