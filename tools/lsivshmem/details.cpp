// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "details.hpp"

#include "common/device_text.hpp"
#include "common/print.hpp"
#include "config_space.hpp"
#include "pci_access.hpp"

#include <optional>
#include <utility>

namespace lsivshmem {
namespace {

using ivshmem::device_info;

template <typename... Args>
void line(fmt::format_string<Args...> format, Args&&... args) {
    tools::print("\t{}\n", tools::format(format, std::forward<Args>(args)...));
}

std::string group_line(const device_info& info) {
    if (!info.iommu_group)
        return "none";
    return tools::format("{}{}{}", *info.iommu_group, info.noiommu ? " (no-IOMMU)" : "",
                         info.group_members.empty() ? ", alone in it" : ", shared with:");
}

void print_group(const device_info& info) {
    line("IOMMU group: {}", group_line(info));
    for (const auto& member : info.group_members)
        line("\t{}", tools::member_text(member));
}

void print_nodes(const device_info& info) {
    for (const auto* node : tools::nodes_of(info))
        line("Node: {}", tools::node_text(*node));
}

void print_verdict(const ivshmem::diagnosis& verdict) {
    line("Use: {}", tools::use_text(verdict));
    if (!verdict.problem.empty())
        line("Problem: {}", verdict.problem);
    if (!verdict.remedy.empty())
        line("Remedy: {}", verdict.remedy);
}

void print_ids(const device_info& info, pci_library* names) {
    const auto revision = info.revision ? tools::format(" (rev {:02x})", *info.revision) : "";
    line("Device: {:04x}:{:04x}{}{}", info.vendor, info.device, revision,
         names != nullptr ? ", " + names->device_name(info) : "");
    line("Subsystem: {:04x}:{:04x}{}", info.subsystem_vendor, info.subsystem_device,
         names != nullptr ? ", " + names->subsystem_name(info) : "");
    line("Class: {:06x}{}", info.class_code,
         names != nullptr ? ", " + names->class_name(info) : "");
}

void print_memory(const device_info& info, bool plain) {
    for (std::size_t i = 0; i < info.bars.size(); ++i) {
        const auto& bar = info.bars.at(i);
        if (!bar.present())
            continue;
        line("BAR{}: {} at {:#x}, {}{}, {}, {}prefetchable", i, tools::bar_purpose(info, i),
             bar.start, tools::size_text(bar.size, plain), plain ? " bytes" : "",
             bar.is_memory() ? bar.is_64bit() ? "64-bit" : "32-bit" : "no memory",
             bar.prefetchable() ? "" : "not ");
    }
    if (info.generation == ivshmem::device_generation::v2)
        line("Protocol: {}", tools::protocol_text(info));
    if (!info.v2)
        return;
    line("Sections: {}", tools::sections_text(*info.v2, plain));
    if (info.v2->base)
        line("Base address: {:#x}", *info.v2->base);
}

void print_block(const options& o, const listed_device& device, pci_library* pci) {
    const auto& info = device.info;
    tools::print("{}\n", tools::headline(info));
    print_ids(info, pci);
    if (o.verbosity >= 2) {
        print_memory(info, o.bytes);
        line("Memory decoding: {}", info.enabled ? "enabled" : "disabled");
        line("NUMA node: {}", info.numa_node ? std::to_string(*info.numa_node) : "none");
    }
    line("Driver: {}", info.driver.empty() ? "none" : info.driver);
    const auto backend = backend_for(info);
    line("Backend: {}", backend ? to_string(*backend) : "none");
    if (o.verbosity >= 2) {
        print_group(info);
        print_nodes(info);
        for (const auto& problem : info.problems)
            line("Unread: {}", problem);
    } else {
        line("IOMMU group: {}", info.iommu_group ? std::to_string(*info.iommu_group) : "none");
    }
    print_verdict(device.verdict);
    if (pci != nullptr)
        print_config_space(*pci, info);
}

} // namespace

void print_details(const options& o, std::span<const listed_device> devices) {
    std::optional<pci_library> pci;
    if (o.verbosity >= 3 && !devices.empty())
        pci.emplace(o.sysroot);
    bool first = true;
    for (const auto& device : devices) {
        if (!std::exchange(first, false))
            tools::print("\n");
        print_block(o, device, pci ? &*pci : nullptr);
    }
}

void print_kernel(std::span<const listed_device> devices) {
    for (const auto& device : devices) {
        tools::print("{}\n", tools::headline(device.info));
        line("Kernel driver in use: {}", device.info.driver.empty() ? "none" : device.info.driver);
        print_group(device.info);
        print_nodes(device.info);
    }
}

} // namespace lsivshmem
