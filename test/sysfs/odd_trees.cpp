// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "trees.hpp"

#include <filesystem>

namespace fake {
namespace {

namespace fs = std::filesystem;

constexpr const char* address = "0000:00:04.0";

function usual() {
    auto f = doorbell(address);
    f.enabled = true; // otherwise the result would depend on the user that runs the test
    return f;
}

function another() {
    auto f = plain("0000:00:05.0");
    f.enabled = true;
    return f;
}

void no_pci(tree& t) {
    fs::remove_all(t.root() / "sys");
}

void no_bar0(tree& t) {
    auto f = usual();
    f.bars[0] = {};
    t.add(f);
}

void no_bar2(tree& t) {
    auto f = usual();
    f.bars[2] = {};
    t.add(f);
}

void capability_loop(tree& t) {
    auto config = config_space(usual());
    config[0x40] = 0x05;
    config[0x41] = 0x40;
    t.add(usual());
    write_file(t.attribute(address, "config"), config);
}

void capability_in_header(tree& t) {
    auto config = config_space(usual());
    config[0x34] = 0x10;
    t.add(usual());
    write_file(t.attribute(address, "config"), config);
}

void config_gone(tree& t) {
    t.add(usual());
    write_file(t.attribute(address, "config"), std::string(256, '\xff'));
}

void config_of_another(tree& t) {
    auto stranger = usual();
    stranger.device = 0x1000;
    t.add(usual());
    write_file(t.attribute(address, "config"), config_space(stranger));
}

void config_truncated(tree& t) {
    t.add(usual());
    write_file(t.attribute(address, "config"), config_space(usual()).substr(0, 63));
}

void config_cut_in_capability(tree& t) {
    t.add(usual());
    write_file(t.attribute(address, "config"), config_space(usual()).substr(0, 0x42));
}

void resource_truncated(tree& t) {
    t.add(usual());
    const auto file = t.attribute(address, "resource");
    write_file(file, read_file(file).substr(0, 57 * 2 + 20));
}

void resource_backwards(tree& t) {
    t.add(usual());
    write_file(t.attribute(address, "resource"), "0x2000 0x1000 0x40200\n"
                                                 "0x0 0xffffffffffffffff 0x40200\n"
                                                 "0x10000 0x12fff 0x40200\n"
                                                 "0x0 0xfff 0x20040200\n"
                                                 "zero one two\n"
                                                 "0x1000 0x1fff\n");
}

void fifo_for_vendor(tree& t) {
    t.add(usual()).add(another());
    make_fifo(t.attribute(address, "vendor"));
}

void fifo_for_config(tree& t) {
    t.add(usual());
    make_fifo(t.attribute(address, "config"));
}

void looping_links(tree& t) {
    t.add(usual());
    for (const char* name : {"vendor", "revision"}) {
        fs::remove(t.attribute("0000:00:04.0", name));
        fs::create_symlink(name, t.attribute("0000:00:04.0", name));
    }
    t.add(another());
    fs::remove(t.attribute("0000:00:05.0", "resource"));
    fs::create_symlink("resource", t.attribute("0000:00:05.0", "resource"));
}

void garbage(tree& t) {
    using namespace std::string_literals;
    auto f = usual();
    f.group = 3;
    t.add(f);
    const auto write = [&](const char* name, const std::string& content) {
        write_file(t.attribute(address, name), content);
    };
    write("class", "\x1b[31mred\n");
    write("revision", "0x101\n");
    write("subsystem_vendor", "");
    write("subsystem_device", "-1\n");
    write("numa_node", "99999999999\n");
    write("enable", "1 1\n");
    write("resource", "\0\0\0\0"s);
    write("config", "hello\n");
    write("driver", "vfio-pci\n");
    fs::remove(t.attribute(address, "iommu_group"));
    fs::create_symlink("../../../kernel/iommu_groups/three", t.attribute(address, "iommu_group"));
    fs::create_directories(t.attribute(address, "uio") / "vfio0");
}

void huge(tree& t) {
    t.add(usual());
    write_file(t.attribute(address, "class"), std::string(1U << 20U, '0'));
}

void strange_names(tree& t) {
    t.add(usual());
    fs::create_directories(t.attribute("not-an-address"));
    fs::create_directories(t.attribute("00:05.0"));
    write_file(t.attribute("0000:00:06.0"), "a file, not a directory");
}

void missing_files(tree& t) {
    t.add(usual());
    for (const char* name : {"class", "revision", "subsystem_vendor", "subsystem_device",
                             "resource", "config", "numa_node", "enable"})
        fs::remove(t.attribute(address, name));
}

constexpr machine odd[] = {
    {"no-pci", no_pci},
    {"no-bar0", no_bar0},
    {"no-bar2", no_bar2},
    {"capability-loop", capability_loop},
    {"capability-in-header", capability_in_header},
    {"config-gone", config_gone},
    {"config-of-another", config_of_another},
    {"config-truncated", config_truncated},
    {"config-cut-in-capability", config_cut_in_capability},
    {"resource-truncated", resource_truncated},
    {"resource-backwards", resource_backwards},
    {"fifo-for-vendor", fifo_for_vendor},
    {"fifo-for-config", fifo_for_config},
    {"looping-links", looping_links},
    {"garbage", garbage},
    {"huge", huge},
    {"strange-names", strange_names},
    {"missing-files", missing_files},
};

} // namespace

std::span<const machine> odd_machines() {
    return odd;
}

} // namespace fake
