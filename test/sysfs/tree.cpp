// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "tree.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

#include <sys/stat.h>

namespace fake {

namespace fs = std::filesystem;

tree::tree(fs::path root) : root_{std::move(root)} {
    fs::create_directories(root_ / "sys/bus/pci/devices");
    fs::create_directories(root_ / "sys/devices/pci0000:00");
}

fs::path tree::attribute(std::string_view address, std::string_view name) const {
    const auto device = root_ / "sys/bus/pci/devices" / address;
    return name.empty() ? device : device / name;
}

tree& tree::add(const function& f) {
    const auto dir = root_ / "sys/devices/pci0000:00" / f.address;
    fs::create_directories(dir);
    fs::create_symlink("../../../devices/pci0000:00/" + f.address,
                       root_ / "sys/bus/pci/devices" / f.address);
    const auto write = [&](const char* name, const std::string& value) {
        write_file(dir / name, value + "\n");
    };
    write("vendor", fmt::format("{:#06x}", f.vendor));
    write("device", fmt::format("{:#06x}", f.device));
    write("subsystem_vendor", fmt::format("{:#06x}", f.subsystem_vendor));
    write("subsystem_device", fmt::format("{:#06x}", f.subsystem_device));
    write("class", fmt::format("{:#08x}", f.class_code));
    write("revision", fmt::format("{:#04x}", f.revision));
    write("numa_node", std::to_string(f.numa_node));
    write("enable", f.enabled ? "1" : "0");
    write("irq", "0");
    for (unsigned i = 0; i < f.driver_vectors; ++i) {
        fs::create_directories(dir / "msi_irqs");
        write_file(dir / "msi_irqs" / std::to_string(24 + i), "msix\n");
    }
    write_file(dir / "config", config_space(f).substr(0, f.config_size));
    add_resources(dir, f);
    add_links(dir, f);
    return *this;
}

void tree::add_resources(const fs::path& dir, const function& f) const {
    constexpr std::size_t lines = 13; // BARs, ROM and the windows of bridges
    std::string resource;
    for (std::size_t i = 0; i < lines; ++i) {
        const auto b = i < f.bars.size() ? f.bars.at(i) : bar{};
        resource += b.size == 0 ? fmt::format("{0:#018x} {0:#018x} {0:#018x}\n", 0)
                                : fmt::format("{:#018x} {:#018x} {:#018x}\n", b.start,
                                              b.start + b.size - 1, b.flags);
        if (b.size == 0)
            continue;
        write_file(dir / fmt::format("resource{}", i), "");
        if (b.flags == memory_64_prefetchable)
            write_file(dir / fmt::format("resource{}_wc", i), "");
    }
    write_file(dir / "resource", resource);
}

void tree::add_links(const fs::path& dir, const function& f) const {
    if (!f.driver.empty()) {
        fs::create_directories(root_ / "sys/bus/pci/drivers" / f.driver);
        fs::create_symlink("../../../bus/pci/drivers/" + f.driver, dir / "driver");
    }
    if (f.group) {
        const auto group = fmt::format("iommu_groups/{}", *f.group);
        fs::create_directories(root_ / "sys/kernel" / group / "devices");
        fs::create_symlink("../../../kernel/" + group, dir / "iommu_group");
        fs::create_symlink("../../../../devices/pci0000:00/" + f.address,
                           root_ / "sys/kernel" / group / "devices" / f.address);
    }
    if (f.uio)
        fs::create_directories(dir / "uio" / fmt::format("uio{}", *f.uio));
}

tree& tree::name_group(unsigned group, std::string_view name) {
    write_file(root_ / "sys/kernel/iommu_groups" / std::to_string(group) / "name",
               std::string{name} + "\n");
    return *this;
}

tree& tree::node(std::string_view name) {
    const auto path = root_ / "dev" / name;
    fs::create_directories(path.parent_path());
    write_file(path, "");
    return *this;
}

void write_file(const fs::path& path, std::string_view content) {
    std::ofstream file{path, std::ios::binary};
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    file.close();
    if (!file)
        throw std::runtime_error{path.string() + ": cannot be written"};
}

std::string read_file(const fs::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

void make_fifo(const fs::path& path) {
    fs::remove(path);
    if (::mkfifo(path.c_str(), 0600) != 0)
        throw std::system_error{errno, std::system_category(), path.string()};
}

} // namespace fake
