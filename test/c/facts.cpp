// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// What discovery and diagnosis say in C is what they say in C++, on every machine of the tests.

#include "helpers/catch.hpp"
#include "temp_dir.hpp"
#include "trees.hpp"

#include <ivshmem/ivshmem.h>
#include <ivshmem/ivshmem.hpp>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

namespace {

void compare(const ivshmem_device_info& in_c, const ivshmem::device_info& info) {
    const auto has = [&](ivshmem_device_flag flag) {
        return (in_c.flags & static_cast<unsigned>(flag)) != 0;
    };
    CHECK(in_c.address == to_string(info.address));
    CHECK(in_c.driver == info.driver);
    const auto& node = info.vfio_node ? info.vfio_node : info.uio_node;
    CHECK(in_c.node == (node ? node->path : std::string{}));
    CHECK((in_c.generation == 2) == (info.generation == ivshmem::device_generation::v2));
    CHECK(in_c.type == static_cast<int>(info.type));
    const auto backend = backend_for(info);
    CHECK(in_c.backend == (backend ? static_cast<int>(*backend) + 1 : 0));
    CHECK(in_c.vendor == info.vendor);
    CHECK(in_c.device == info.device);
    CHECK(in_c.subsystem_vendor == info.subsystem_vendor);
    CHECK(in_c.subsystem_device == info.subsystem_device);
    CHECK(in_c.class_code == info.class_code);
    CHECK(has(IVSHMEM_DEVICE_HAS_REVISION) == info.revision.has_value());
    CHECK(in_c.revision == info.revision.value_or(0));
    CHECK(has(IVSHMEM_DEVICE_HAS_VECTORS) == info.vectors.has_value());
    CHECK(in_c.vectors == info.vectors.value_or(0));
    CHECK(has(IVSHMEM_DEVICE_HAS_REGION) == info.acrn_region.has_value());
    CHECK(in_c.acrn_region == info.acrn_region.value_or(0));
    CHECK(has(IVSHMEM_DEVICE_HAS_GROUP) == info.iommu_group.has_value());
    CHECK(in_c.iommu_group == info.iommu_group.value_or(0));
    CHECK(has(IVSHMEM_DEVICE_HAS_NUMA) == info.numa_node.has_value());
    CHECK(in_c.numa_node == info.numa_node.value_or(0));
    CHECK(in_c.memory_start == info.bars[2].start);
    CHECK(in_c.memory_size == info.memory_size());
    REQUIRE(has(IVSHMEM_DEVICE_HAS_SECTIONS) == info.v2.has_value());
    CHECK(in_c.state_table_size == (info.v2 ? info.v2->state_table : 0));
    CHECK(in_c.read_write_size == (info.v2 ? info.v2->read_write : 0));
    CHECK(in_c.output_section_size == (info.v2 ? info.v2->output : 0));
    CHECK(has(IVSHMEM_DEVICE_HAS_INTX) == info.intx);
    CHECK(has(IVSHMEM_DEVICE_IS_GONE) == info.gone);
    CHECK(has(IVSHMEM_DEVICE_IS_ENABLED) == info.enabled);
    CHECK(has(IVSHMEM_DEVICE_IS_NOIOMMU) == info.noiommu);
    CHECK(in_c.problem_count == info.problems.size());
}

void compare(const ivshmem_diagnosis& in_c, const ivshmem::diagnosis& verdict) {
    CHECK((in_c.can_map == 1) == verdict.can_map);
    CHECK((in_c.can_ring == 1) == verdict.can_ring);
    CHECK((in_c.can_interrupt == 1) == verdict.can_interrupt);
    CHECK(in_c.problem == verdict.problem);
    CHECK(in_c.remedy == verdict.remedy);
    CHECK(in_c.driver == verdict.driver);
    CHECK(in_c.driver_remedy == verdict.driver_remedy);
    CHECK(in_c.iommu_remedy == verdict.iommu_remedy);
    CHECK(in_c.remapping_remedy == verdict.remapping_remedy);
    CHECK(in_c.msi_problem == verdict.msi_problem);
    CHECK(in_c.msi_remedy == verdict.msi_remedy);
}

/// @return How many devices it has.
std::size_t compare_machine(const fake::machine& machine) {
    CAPTURE(machine.name);
    const fake::temp_dir root;
    fake::build_machine(machine.name, root.path());
    std::error_code ec;
    const auto found = ivshmem::discover(root.path(), ec);
    ivshmem_discovery* in_c = nullptr;
    REQUIRE(ivshmem_discovery_open(root.path().c_str(), &in_c) == ec.value());
    if (ec)
        return 0;
    std::size_t count = 0;
    REQUIRE(ivshmem_discovery_get_count(in_c, &count) == 0);
    REQUIRE(count == found.devices.size());
    for (std::size_t i = 0; i < count; ++i) {
        ivshmem_device_info info{};
        info.size = sizeof info;
        REQUIRE(ivshmem_discovery_get_device(in_c, i, &info) == 0);
        compare(info, found.devices[i]);
        ivshmem_diagnosis verdict{};
        verdict.size = sizeof verdict;
        REQUIRE(ivshmem_discovery_get_diagnosis(in_c, i, &verdict) == 0);
        compare(verdict, diagnose(found.devices[i]));
        const char* text = nullptr;
        for (std::size_t p = 0; p < info.problem_count; ++p) {
            REQUIRE(ivshmem_discovery_get_problem(in_c, i, p, &text) == 0);
            CHECK(text == found.devices[i].problems[p]);
        }
        CHECK(ivshmem_discovery_get_problem(in_c, i, info.problem_count, &text) == -EINVAL);
    }
    ivshmem_device_info info{};
    info.size = sizeof info;
    CHECK(ivshmem_discovery_get_device(in_c, count, &info) == -EINVAL);
    CHECK(ivshmem_discovery_close(in_c) == 0);
    return count;
}

} // namespace

TEST_CASE("discovery in C finds what discovery in C++ does") {
    std::size_t devices = 0;
    for (const auto machines : {fake::sound_machines(), fake::odd_machines()})
        for (const auto& machine : machines)
            devices += compare_machine(machine);
    CHECK(devices > 20);
}

TEST_CASE("the message in C is what() in C++") {
    ivshmem_discovery* none = nullptr;
    CHECK(ivshmem_discovery_open("/nonexistent", &none) == IVSHMEM_SYSFS_UNAVAILABLE);
    try {
        static_cast<void>(ivshmem::discover("/nonexistent"));
        FAIL("discovered");
    } catch (const ivshmem::error& e) {
        CHECK(ivshmem_last_error() == std::string_view{e.what()});
    }
    ivshmem_device* device = nullptr;
    CHECK(ivshmem_device_open("index:x", nullptr, &device) == IVSHMEM_BAD_SELECTOR);
    try {
        static_cast<void>(ivshmem::selector::parse("index:x"));
        FAIL("parsed");
    } catch (const ivshmem::error& e) {
        CHECK(ivshmem_last_error() == std::string_view{e.what()});
    }
    CHECK(none == nullptr);
    CHECK(device == nullptr);
}

TEST_CASE("a long message is cut") {
    const std::string name(4000, 'x');
    ivshmem_device* device = nullptr;
    CHECK(ivshmem_device_open(name.c_str(), nullptr, &device) == IVSHMEM_BAD_SELECTOR);
    CHECK(std::string_view{ivshmem_last_error()}.size() <= 1023);
}
