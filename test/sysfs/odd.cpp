// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/catch.hpp"
#include "temp_dir.hpp"
#include "trees.hpp"

#include <ivshmem/diagnosis.hpp>
#include <ivshmem/discovery.hpp>

#include <algorithm>
#include <filesystem>

using namespace ivshmem;

namespace {

discovery on(std::string_view machine) {
    const fake::temp_dir temp;
    fake::build_machine(machine, temp.path());
    std::error_code ec;
    return discover(temp.path(), ec);
}

device_info first_on(const char* machine) {
    const auto found = on(machine);
    REQUIRE_FALSE(found.devices.empty());
    return found.devices[0];
}

/// Returns the problems that name this file of a device.
std::size_t count(const device_info& info, std::string_view file) {
    const auto part = "/" + to_string(info.address) + "/" + std::string{file} + ": ";
    return static_cast<std::size_t>(
        std::count_if(info.problems.begin(), info.problems.end(),
                      [&](const auto& line) { return line.find(part) != std::string::npos; }));
}

} // namespace

TEST_CASE("every problem of every machine begins with the file that it is about") {
    for (const auto machines : {fake::sound_machines(), fake::odd_machines()})
        for (const auto& machine : machines) {
            INFO(machine.name);
            const fake::temp_dir temp;
            fake::build_machine(machine.name, temp.path());
            std::error_code ec;
            const auto found = discover(temp.path(), ec);
            auto lines = found.problems;
            for (const auto& info : found.devices) {
                lines.insert(lines.end(), info.problems.begin(), info.problems.end());
                (void)diagnose(info);
            }
            for (const auto& line : lines) {
                INFO(line);
                const auto prefix = (temp.path() / "sys/bus/pci/devices").string() + "/";
                CHECK(line.starts_with(prefix));
                CHECK(line.find(": ", prefix.size()) != std::string::npos);
                CHECK(std::all_of(line.begin(), line.end(),
                                  [](char c) { return c >= 0x20 && c < 0x7f; }));
            }
        }
}

TEST_CASE("valid machines have no problems, except for files that cannot be read") {
    for (const auto& machine : fake::sound_machines()) {
        INFO(machine.name);
        const auto found = on(machine.name);
        CHECK(found.problems.empty());
        for (const auto& info : found.devices)
            CHECK(info.problems.empty() !=
                  (std::string_view{machine.name} == "unprivileged" && info.address.device == 4));
    }
}

TEST_CASE("a broken configuration space leaves the type unknown") {
    for (const auto* machine : {"capability-loop", "capability-in-header", "config-gone",
                                "config-of-another", "config-truncated", "fifo-for-config"}) {
        INFO(machine);
        const auto info = first_on(machine);
        CHECK(info.type == device_type::unknown);
        CHECK_FALSE(info.vectors.has_value());
        CHECK(info.memory_size() == 4 * fake::mib); // all other facts are read
        CHECK(count(info, "config") == 1);
        CHECK(info.problems.size() == 1);
        CHECK(info.gone == (std::string_view{machine} == "config-gone"));
    }
    const auto cut = first_on("config-cut-in-capability");
    CHECK(cut.type == device_type::doorbell);
    CHECK_FALSE(cut.vectors.has_value());
    CHECK(count(cut, "config") == 1);
}

TEST_CASE("impossible BARs are skipped, with a line for each") {
    const auto info = first_on("resource-backwards");
    CHECK(count(info, "resource") == 6);
    for (const auto i : {0U, 1U, 2U, 4U, 5U})
        CHECK_FALSE(info.bars.at(i).present());
    CHECK(info.bars[3].size == 4096); // without an address, but with a size
    const auto truncated = first_on("resource-truncated");
    CHECK(truncated.bars[0].present());
    CHECK(truncated.bars[1].present());
    CHECK_FALSE(truncated.bars[2].present());
    CHECK(count(truncated, "resource") == 2);
}

TEST_CASE("a device that cannot be identified does not hide the others") {
    for (const auto* machine : {"fifo-for-vendor", "looping-links"}) {
        INFO(machine);
        const auto found = on(machine);
        REQUIRE(found.problems.size() == 1);
        CHECK(found.problems[0].find("0000:00:04.0/vendor: ") != std::string::npos);
        REQUIRE(found.devices.size() == 1);
        CHECK(to_string(found.devices[0].address) == "0000:00:05.0");
    }
    const auto strange = on("strange-names");
    CHECK(strange.problems.size() == 3);
    CHECK(strange.devices.size() == 1);
}

TEST_CASE("garbage in every file: a line for each file, and no invented facts") {
    const auto info = first_on("garbage");
    for (const auto* file :
         {"class", "revision", "subsystem_vendor", "subsystem_device", "numa_node", "enable",
          "resource", "config", "driver", "iommu_group", "uio"}) {
        INFO(file);
        CHECK(count(info, file) == 1);
    }
    CHECK(info.problems.size() == 11);
    CHECK_FALSE(info.revision.has_value());
    CHECK_FALSE(info.numa_node.has_value());
    CHECK_FALSE(info.iommu_group.has_value());
    CHECK(info.driver.empty());
    CHECK(info.memory_size() == 0);
    CHECK_FALSE(diagnose(info).problem.empty());
}

TEST_CASE("a missing file is a problem only if every kernel has it") {
    const auto info = first_on("missing-files");
    CHECK(info.problems.size() == 6);
    CHECK(count(info, "numa_node") == 0);
    CHECK(count(info, "enable") == 0);
}

TEST_CASE("a file of a megabyte is refused") {
    CHECK(count(first_on("huge"), "class") == 1);
}

TEST_CASE("devices without BAR0 or BAR2") {
    CHECK_FALSE(first_on("no-bar0").bars[0].present());
    CHECK(diagnose(first_on("no-bar0")).problem.find("BAR0") != std::string::npos);
    CHECK(first_on("no-bar2").memory_size() == 0);
    CHECK(diagnose(first_on("no-bar2")).problem.find("BAR2") != std::string::npos);
}
