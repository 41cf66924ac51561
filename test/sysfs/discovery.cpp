// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/catch.hpp"
#include "temp_dir.hpp"
#include "trees.hpp"

#include <ivshmem/discovery.hpp>
#include <ivshmem/error.hpp>

#include <filesystem>

using namespace ivshmem;

namespace {

/// Returns the result of discovery on the machine with this name.
discovery found_in(const char* machine) {
    const fake::temp_dir temp;
    fake::build_machine(machine, temp.path());
    return discover(temp.path());
}

/// Returns the only device of a machine whose files are all valid.
device_info only(const char* machine) {
    const auto found = found_in(machine);
    CHECK(found.problems.empty());
    REQUIRE(found.devices.size() == 1);
    CHECK(found.devices[0].problems.empty());
    return found.devices[0];
}

} // namespace

TEST_CASE("a machine without ivshmem devices is not an error") {
    const auto found = found_in("empty");
    CHECK(found.devices.empty());
    CHECK(found.problems.empty());
}

TEST_CASE("QEMU's ivshmem-plain, 2 GiB") {
    const auto info = only("plain");
    CHECK(to_string(info.address) == "0000:00:04.0");
    CHECK(info.vendor == 0x1af4);
    CHECK(info.device == 0x1110);
    CHECK(info.subsystem_vendor == 0x1af4);
    CHECK(info.subsystem_device == 0x1100);
    CHECK(info.class_code == 0x050000);
    CHECK(info.revision == std::uint8_t{1});
    CHECK(info.generation == device_generation::v1);
    CHECK(info.type == device_type::plain);
    CHECK_FALSE(info.vectors.has_value());
    CHECK(info.memory_size() == 2 * fake::gib);
    CHECK(info.bars[0] == bar_info{0xfebd1000, 256, 0x40200});
    CHECK_FALSE(info.bars[1].present());
    CHECK(info.bars[2].prefetchable());
    CHECK(info.bars[2].is_64bit());
    CHECK_FALSE(info.acrn_region.has_value());
    CHECK(info.driver.empty());
    CHECK_FALSE(info.numa_node.has_value());
    CHECK(info.enabled);
    CHECK_FALSE(info.gone);
    CHECK_FALSE(info.iommu_group.has_value());
    CHECK_FALSE(info.vfio_node.has_value());
    CHECK_FALSE(info.uio_node.has_value());
    REQUIRE(info.resource2_wc.has_value());
    CHECK(info.resource2_wc->usable());
}

TEST_CASE("a doorbell device behind a vIOMMU, bound to vfio-pci") {
    const fake::temp_dir temp;
    fake::build_machine("vfio", temp.path());
    const auto found = discover(temp.path());
    REQUIRE(found.devices.size() == 1);
    const auto& info = found.devices[0];
    CHECK(info.type == device_type::doorbell);
    CHECK(info.vectors == 4U);
    CHECK(info.driver == "vfio-pci");
    CHECK(info.iommu_group == 4U);
    CHECK_FALSE(info.noiommu);
    CHECK(info.group_members.empty());
    REQUIRE(info.vfio_node.has_value());
    CHECK(info.vfio_node->path == (temp.path() / "dev/vfio/4").string());
    CHECK(info.vfio_node->usable());
}

TEST_CASE("the other group members with their drivers; bridges are marked") {
    const auto found = found_in("vfio-pair");
    REQUIRE(found.devices.size() == 2);
    const std::vector<group_function> expected{{{0, 0, 2, 0}, "pcieport", true},
                                               {{0, 0, 5, 0}, "vfio-pci", false}};
    CHECK(found.devices[0].group_members == expected);
    const std::vector<group_function> alone{{{0, 0, 3, 0}, "e1000e", false}};
    CHECK(only("vfio-not-viable").group_members == alone);
}

TEST_CASE("a no-IOMMU group is known by its name") {
    const auto info = only("noiommu");
    CHECK(info.noiommu);
    CHECK(info.iommu_group == 0U);
    REQUIRE(info.vfio_node.has_value());
    CHECK(info.vfio_node->path.ends_with("/dev/vfio/noiommu-0"));
    CHECK_FALSE(info.vfio_node->exists);
    CHECK_FALSE(info.vfio_node->usable());
}

TEST_CASE("UIO drivers have a node") {
    for (const auto* machine : {"uio_pci_generic", "igb_uio"}) {
        const auto info = only(machine);
        CHECK(info.driver == machine);
        REQUIRE(info.uio_node.has_value());
        CHECK(info.uio_node->path.ends_with("/dev/uio0"));
        CHECK(info.uio_node->usable());
        CHECK_FALSE(info.vfio_node.has_value());
    }
}

TEST_CASE("revision 0 is not revision unknown") {
    CHECK(only("rev0").revision == std::uint8_t{0});
}

TEST_CASE("ACRN: the subsystem id is the region's") {
    const auto found = found_in("acrn-hv");
    REQUIRE(found.devices.size() == 2);
    CHECK(found.devices[0].acrn_region == std::uint16_t{1});
    CHECK(found.devices[1].acrn_region == std::uint16_t{2});
    CHECK(found.devices[1].vectors == 8U);
}

TEST_CASE("ACRN's device model: BAR1 without MSI-X is plain, and BAR2 may lack resource2_wc") {
    const auto info = only("acrn-dm");
    CHECK(info.bars[1].present());
    CHECK(info.type == device_type::plain);
    CHECK_FALSE(info.bars[2].prefetchable());
    CHECK(info.resource2.has_value());
    CHECK_FALSE(info.resource2_wc.has_value());
}

TEST_CASE("Jailhouse: v2 is recognised, with the protocol in its class and sections") {
    const auto info = only("jailhouse");
    CHECK(info.generation == device_generation::v2);
    CHECK(info.class_code == 0xff0001);
    CHECK(info.vectors == 2U);
    CHECK(info.memory_size() == 0);
    REQUIRE(info.v2.has_value());
    CHECK(*info.v2 == v2_layout{4096, 0, 65536, 0x3ff00000});
}

TEST_CASE("Cloud Hypervisor has no BAR1, and BAR0 may begin within a page") {
    CHECK_FALSE(only("cloud-hypervisor").bars[1].present());
    CHECK(only("bar0-mid-page").bars[0].start % 4096 == 0x300);
}

TEST_CASE(
    "64 bytes of configuration space: the type is unknown, unless there are no capabilities") {
    const auto found = found_in("unprivileged");
    REQUIRE(found.devices.size() == 2);
    CHECK(found.devices[0].type == device_type::unknown);
    REQUIRE(found.devices[0].problems.size() == 1);
    CHECK(found.devices[0].problems[0].find("/config: only 64 of 256") != std::string::npos);
    // The header shows that there are no capabilities.
    CHECK(found.devices[1].type == device_type::plain);
    CHECK(found.devices[1].problems.empty());
}

TEST_CASE("32 devices come in the order of their addresses") {
    const auto found = found_in("many");
    REQUIRE(found.devices.size() == 32);
    for (std::size_t i = 1; i < found.devices.size(); ++i)
        CHECK(found.devices[i - 1].address < found.devices[i].address);
    CHECK(found.devices[31].numa_node == 1);
}

TEST_CASE("no sysfs is an error that names the directory") {
    const fake::temp_dir temp;
    std::error_code ec;
    CHECK(discover(temp.path(), ec).devices.empty());
    CHECK(ec == errc::sysfs_unavailable);
    try {
        (void)discover(temp.path() / "");
        FAIL("nothing was thrown");
    } catch (const error& e) {
        const std::string what = e.what();
        CHECK(what.starts_with((temp.path() / "sys/bus/pci/devices").string() + ": "));
    }
    CHECK_THROWS_AS(discover(""), error);
}

TEST_CASE("a success clears the error code") {
    const fake::temp_dir temp;
    fake::build_machine("plain", temp.path());
    std::error_code ec = make_error_code(errc::closed);
    CHECK(discover(temp.path(), ec).devices.size() == 1);
    CHECK_FALSE(ec);
}
