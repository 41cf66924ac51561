// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/diagnosis.hpp"

#include "helpers/catch.hpp"

#include <string>

using namespace ivshmem;

namespace {

constexpr privileges root{true, true};
constexpr privileges nobody{};

device_node node(std::string path, bool usable = true) {
    return {std::move(path), true, usable, usable};
}

/// A doorbell device whose files only root may open.
device_info doorbell(bool may_open = true) {
    device_info info;
    info.address = {0, 0, 4, 0};
    info.type = device_type::doorbell;
    info.vectors = 4;
    info.bars[0] = {0xfebd1000, 256, 0x40200};
    info.bars[2] = {0xfe000000, 1U << 22U, 0x14220c};
    info.resource0 = node("/sys/resource0", may_open);
    info.resource2 = node("/sys/resource2", may_open);
    info.resource2_wc = node("/sys/resource2_wc", may_open);
    return info;
}

device_info plain(bool may_open = true) {
    auto info = doorbell(may_open);
    info.type = device_type::plain;
    info.vectors.reset();
    return info;
}

device_info vfio() {
    auto info = doorbell(false);
    info.driver = "vfio-pci";
    info.iommu_group = 7;
    info.vfio_node = node("/dev/vfio/7");
    return info;
}

void check(const diagnosis& d, bool map, bool ring, bool interrupt, const std::string& problem,
           const std::string& remedy) {
    INFO(d.problem << " | " << d.remedy);
    CHECK(d.can_map == map);
    CHECK(d.can_ring == ring);
    CHECK(d.can_interrupt == interrupt);
    CHECK(d.problem.empty() == problem.empty());
    CHECK(d.remedy.empty() == remedy.empty());
    CHECK(d.problem.find(problem) != std::string::npos);
    CHECK(d.remedy.find(remedy) != std::string::npos);
    CHECK(d.problem.find('\n') == std::string::npos);
}

} // namespace

TEST_CASE("vfio-pci with an accessible group allows everything") {
    check(diagnose(vfio(), nobody), true, true, true, "", "");
    auto info = vfio();
    info.type = device_type::plain;
    check(diagnose(info, nobody), true, false, false, "", "");
}

TEST_CASE("vfio-pci: each problem is named with its remedy") {
    auto info = vfio();
    SECTION("no permission") {
        info.vfio_node = node("/dev/vfio/7", false);
        check(diagnose(info, nobody), false, false, false, "/dev/vfio/7: this process may not",
              "chown \"$USER\" /dev/vfio/7");
    }
    SECTION("no permission, but a group that has it") {
        info.vfio_node = node("/dev/vfio/7", false);
        info.vfio_node->group = "ivshmem";
        check(diagnose(info, nobody), false, false, false, "/dev/vfio/7: this process may not",
              "adduser \"$USER\" ivshmem");
    }
    SECTION("a node that is only readable") {
        info.vfio_node->writable = false;
        check(diagnose(info, nobody), false, false, false, "/dev/vfio/7: this process may not",
              "chown");
    }
    SECTION("no node") {
        info.vfio_node->exists = false;
        check(diagnose(info, root), false, false, false, "/dev/vfio/7: is not there", "udevadm");
    }
    SECTION("no group") {
        info.iommu_group.reset();
        info.vfio_node.reset();
        check(diagnose(info, root), false, false, false, "no IOMMU group", "vIOMMU");
    }
    SECTION("group not viable") {
        info.group_members = {{{0, 0, 3, 0}, "e1000e", false}};
        check(diagnose(info, root), false, false, false,
              "/dev/vfio/7: group not viable: 0000:00:03.0 is still bound to e1000e; bind it to "
              "vfio-pci or unbind it",
              "driverctl set-override 0000:00:03.0 vfio-pci");
    }
}

TEST_CASE("functions that keep a group viable") {
    auto info = vfio();
    info.group_members = {
        {{0, 0, 1, 0}, "", false},         {{0, 0, 2, 0}, "pcieport", true},
        {{0, 0, 3, 0}, "shpchp", true},    {{0, 0, 5, 0}, "pci-stub", false},
        {{0, 0, 6, 0}, "vfio-pci", false}, {{0, 0, 7, 0}, "mlx5_vfio_pci", false}};
    check(diagnose(info, nobody), true, true, true, "", "");
}

TEST_CASE("a no-IOMMU group needs CAP_SYS_RAWIO") {
    auto info = vfio();
    info.noiommu = true;
    info.vfio_node = node("/dev/vfio/noiommu-0");
    check(diagnose(info, root), true, true, true, "", "");
    check(diagnose(info, nobody), false, false, false, "CAP_SYS_RAWIO", "sudo");
}

TEST_CASE("uio_pci_generic: memory and ring, no interrupts") {
    auto info = doorbell();
    info.driver = "uio_pci_generic";
    info.uio_node = node("/dev/uio0");
    check(diagnose(info, root), true, true, false, "uio_pci_generic delivers no interrupts",
          "ivshmemctl bind --driver igb_uio 0000:00:04.0");
    info.iommu_group = 7;
    check(diagnose(info, root), true, true, false, "uio_pci_generic delivers no interrupts",
          "ivshmemctl bind --driver vfio-pci 0000:00:04.0");
    info.type = device_type::plain;
    check(diagnose(info, root), true, false, false, "", "");
}

TEST_CASE("igb_uio: vector 0 only") {
    auto info = doorbell();
    info.driver = "igb_uio";
    info.uio_node = node("/dev/uio0");
    check(diagnose(info, root), true, true, true, "vector 0 only, of 4", "vIOMMU");
    info.vectors = 1;
    check(diagnose(info, root), true, true, true, "", "");
    info.uio_node = node("/dev/uio0", false);
    check(diagnose(info, root), true, true, false, "/dev/uio0: this process may not",
          "chown \"$USER\" /dev/uio0");
    info.uio_node.reset();
    check(diagnose(info, root), true, true, false, "no UIO node", "vIOMMU");
}

TEST_CASE("no driver: root may map and ring, but no interrupt arrives") {
    check(diagnose(doorbell(), root), true, true, false, "no driver is bound", "igb_uio");
    check(diagnose(doorbell(false), nobody), false, false, false, "/sys/resource2_wc", "chown");
    auto info = doorbell(false);
    info.enabled = true;
    check(diagnose(info, nobody), false, false, false, "/sys/resource2_wc: this process may not",
          "chown");
    info.iommu_group = 7;
    check(diagnose(info, nobody), false, false, false, "/sys/resource2_wc: this process may not",
          "ivshmemctl bind --driver vfio-pci 0000:00:04.0");
}

TEST_CASE("no driver and memory decoding off: it must be enabled") {
    auto info = plain();
    check(diagnose(info, nobody), false, false, false, "only root may switch", "/sys/enable");
    info.enabled = true;
    check(diagnose(info, nobody), true, false, false, "", "");
}

TEST_CASE("a plain device whose memory can be mapped has no problem") {
    check(diagnose(plain(), root), true, false, false, "", "");
    auto info = plain();
    info.bars[0] = {};
    info.resource0.reset();
    check(diagnose(info, root), true, false, false, "", "");
}

TEST_CASE("a device whose doorbell needs files without permission") {
    auto info = doorbell();
    info.driver = "uio_pci_generic";
    info.resource0 = node("/sys/resource0", false);
    check(diagnose(info, root), true, false, false, "/sys/resource0: this process may not",
          "chown");
    info.resource0.reset();
    check(diagnose(info, root), true, false, false, "no resource0", "vIOMMU");
}

TEST_CASE("devices that no driver can help") {
    auto info = doorbell();
    SECTION("no shared memory") {
        info.bars[2] = {};
        check(diagnose(info, root), false, false, false, "no BAR2", "configuration");
    }
    SECTION("unknown BARs") {
        info.bars = {};
        check(diagnose(info, root), false, false, false, "nothing of its BARs", "lsivshmem -vv");
    }
    SECTION("no registers") {
        info.bars[0] = {};
        check(diagnose(info, root), false, false, false, "no BAR0", "configuration");
    }
    SECTION("unplugged") {
        info.gone = true;
        check(diagnose(info, root), false, false, false, "does not answer", "rescan");
    }
    SECTION("no sysfs file for the memory") {
        info.resource2.reset();
        info.resource2_wc.reset();
        check(diagnose(info, root), false, false, false, "no resource2", "vIOMMU");
    }
    SECTION("v2") {
        info.generation = device_generation::v2;
        check(diagnose(info, root), false, false, false, "ivshmem-v2", "uio_ivshmem");
    }
    SECTION("a driver that blocks the device") {
        info.driver = "uio_ivshmem";
        check(diagnose(info, root), false, false, false, "bound to uio_ivshmem", "igb_uio");
    }
}

TEST_CASE("a plain device needs no driver") {
    auto info = plain();
    info.driver = "kvmfr";
    check(diagnose(info, root), false, false, false, "bound to kvmfr",
          "ivshmemctl bind --driver none 0000:00:04.0");
    CHECK(diagnose(info, root).driver == "none");
    CHECK(diagnose(plain(), root).driver == "none");
    CHECK(diagnose(plain(), root).driver_remedy.empty());
    info.driver = "uio_pci_generic";
    CHECK(diagnose(info, root).driver == "uio_pci_generic");
}

TEST_CASE("a container that may only read sysfs") {
    auto info = doorbell();
    info.iommu_group = 7;
    info.machine.read_only_sysfs = true;
    check(diagnose(info, root), true, true, false, "no driver is bound",
          "outside of this container, whose /sys is read-only: ivshmemctl bind --driver vfio-pci");
    info = plain(false);
    info.enabled = true;
    info.machine.read_only_sysfs = true;
    check(diagnose(info, nobody), false, false, false, "/sys/resource2_wc: this process may not",
          "docker run -v /sys:/sys");
    info = vfio();
    info.vfio_node->exists = info.vfio_node->readable = info.vfio_node->writable = false;
    check(diagnose(info, root), false, false, false, "is not there",
          "docker run --device /dev/vfio/7");
}

TEST_CASE("whatever could not be read is a problem") {
    auto info = vfio();
    info.problems = {"/sys/class: is longer than 65536 bytes"};
    check(diagnose(info, root), true, true, true, "is longer than", "lsivshmem -vv");
    info.problems = {"/sys/config: only 64 of 256 bytes can be read without CAP_SYS_ADMIN, so"};
    CHECK(diagnose(info, root).problem.empty()); // an ordinary user can use it
}

TEST_CASE("a bus without message-signalled interrupts") {
    auto info = vfio();
    info.msi_allowed = false;
    check(diagnose(info, root), true, true, false, "msi_bus", "dmesg");
}

TEST_CASE("uio_pci_generic delivers the vectors that it has set up, as ACRN's does") {
    auto info = doorbell();
    info.driver = "uio_pci_generic";
    info.uio_node = node("/dev/uio0");
    info.driver_vectors = 4;
    check(diagnose(info, root), true, true, true, "", "");
    check(diagnose(info, nobody), true, true, true, "", "");
    CHECK(diagnose(info, root).driver == "uio_pci_generic");
    CHECK(diagnose(info, root).driver_remedy.empty());
    info.uio_node = node("/dev/uio0", false);
    check(diagnose(info, root), true, true, false, "/dev/uio0: this process may not", "chown");
    info.uio_node.reset();
    check(diagnose(info, root), true, true, false, "no UIO node", "vIOMMU");
}

TEST_CASE("an ACRN device is bound to the driver that delivers its vectors there") {
    auto info = doorbell();
    info.acrn_region = 1;
    check(diagnose(info, root), true, true, false, "no driver is bound",
          "ivshmemctl bind --driver uio_pci_generic 0000:00:04.0, if the kernel is ACRN's");
    info.iommu_group = 7;
    CHECK(diagnose(info, root).driver == "vfio-pci");
}

TEST_CASE("INTx of revision 0 arrives through any driver") {
    auto info = doorbell();
    info.revision = 0;
    info.intx = true;
    info.vectors = 1;
    info.uio_node = node("/dev/uio0");
    info.machine.kernel_parameters = "pci=nomsi";
    SECTION("uio_pci_generic, which leaves unmasking to root") {
        info.driver = "uio_pci_generic";
        check(diagnose(info, root), true, true, true, "", "");
        check(diagnose(info, nobody), true, true, false, "only root may unmask", "as root");
    }
    SECTION("igb_uio in any mode") {
        info.driver = "igb_uio";
        info.machine.igb_uio_mode = "legacy";
        check(diagnose(info, nobody), true, true, true, "", "");
    }
    SECTION("none yet") {
        info.uio_node.reset();
        check(diagnose(info, root), true, true, false, "no driver is bound",
              "ivshmemctl bind --driver uio_pci_generic 0000:00:04.0");
    }
}

TEST_CASE("a device whose registers may be others") {
    auto info = doorbell();
    info.driver = "igb_uio";
    info.vectors = 1;
    info.revision = 1;
    info.uio_node = node("/dev/uio0");
    info.bars[0].size = 4096;
    check(diagnose(info, root), true, true, true, "BAR0 has 4096 bytes", "ivshmemctl info");
    info.revision = 0;
    check(diagnose(info, root), false, false, false, "BAR0 has 4096 bytes", "");
    info.acrn_region = 1; // ACRN's had that size once
    check(diagnose(info, root), true, true, true, "", "");
}
