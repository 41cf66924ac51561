// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "columns.hpp"

#include "common/device_text.hpp"
#include "common/print.hpp"
#include "pci_access.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>

#include <strings.h>

namespace lsivshmem {
namespace {

using ivshmem::device_info;

std::string yes_no(bool value) {
    return value ? "yes" : "no";
}

template <typename T>
std::string digits(const std::optional<T>& value) {
    return value ? std::to_string(*value) : std::string{};
}

/// Returns the lines of a list, one for each item.
template <typename Range, typename Write>
std::string lines(const Range& range, Write write) {
    std::string result;
    for (const auto& item : range)
        result += (result.empty() ? "" : "\n") + std::string{write(item)};
    return result;
}

std::string address_of(const row& r) {
    const auto& info = r.device.info;
    if (r.bar)
        return tools::format("BAR{}", *r.bar);
    if (r.vectors)
        return info.vectors.value_or(1) == 1 ? "vector 0"
                                             : tools::format("vectors 0-{}", *info.vectors - 1);
    return to_string(info.address);
}

std::string bars_of(const device_info& info) {
    std::string result;
    for (std::size_t i = 0; i < info.bars.size(); ++i) {
        const auto& bar = info.bars.at(i);
        if (bar.present())
            result += tools::format("{}{} {:#x} {} {}{}", result.empty() ? "" : "\n", i, bar.start,
                                    bar.size, bar.is_64bit() ? "64-bit" : "32-bit",
                                    bar.prefetchable() ? " prefetchable" : "");
    }
    return result;
}

std::string part_of(const row& r) {
    const auto& info = r.device.info;
    if (r.vectors)
        return "interrupts";
    if (!r.bar)
        return std::string{to_string(info.type)};
    const auto& bar = info.bars.at(*r.bar);
    return tools::format("{}, {}{}", tools::bar_purpose(info, *r.bar),
                         bar.is_64bit() ? "64-bit" : "32-bit",
                         bar.prefetchable() ? ", prefetchable" : "");
}

/// Returns a value that only the line of a device has.
template <auto Value>
std::string of_device(const row& r, const style& /*unused*/) {
    return r.is_device() ? std::string{Value(r.device.info)} : std::string{};
}
template <auto Value>
std::string of_verdict(const row& r, const style& /*unused*/) {
    return r.is_device() ? std::string{Value(r.device.verdict)} : std::string{};
}

std::string size_of(const row& r, const style& s) {
    const auto& bars = r.device.info.bars;
    const auto size = r.vectors ? 0 : bars.at(r.bar.value_or(2)).size;
    return size == 0 ? std::string{} : tools::size_text(size, s.bytes);
}

std::string start_of(const row& r, const style& /*unused*/) {
    const auto& bar = r.device.info.bars.at(r.bar.value_or(2));
    return r.vectors || !bar.present() ? std::string{} : tools::format("{:#x}", bar.start);
}

std::string name_of(const row& r, const style& s) {
    return r.is_device() && s.names != nullptr ? s.names->device_name(r.device.info) : "";
}

std::string sections_of(const device_info& info) {
    if (!info.v2)
        return {};
    const auto& v2 = *info.v2;
    return tools::format("state {}\nread/write {}\noutput {}{}", v2.state_table, v2.read_write,
                         v2.output, v2.base ? tools::format("\nbase {:#x}", *v2.base) : "");
}

std::string backend_of(const device_info& info) {
    const auto kind = backend_for(info);
    return kind ? std::string{to_string(*kind)} : std::string{};
}

std::string node_of(const device_info& info) {
    const auto& node = info.vfio_node ? info.vfio_node : info.uio_node;
    return node ? node->path : std::string{};
}

using info_t = const device_info&;
using verdict_t = const ivshmem::diagnosis&;
using enum value_type;

const column columns[] = {
    {"ADDRESS", "PCI address", text,
     [](const row& r, const style&) {
         return address_of(r);
     }},
    {"ID", "vendor and device id", text, of_device<[](info_t i) {
         return tools::format("{:04x}:{:04x}", i.vendor, i.device);
     }>},
    {"SUBSYSTEM", "subsystem vendor and device id", text, of_device<[](info_t i) {
         return tools::format("{:04x}:{:04x}", i.subsystem_vendor, i.subsystem_device);
     }>},
    {"CLASS", "class code", text, of_device<[](info_t i) {
         return tools::format("{:06x}", i.class_code);
     }>},
    {"REVISION", "revision", integer, of_device<[](info_t i) {
         return digits(i.revision);
     }>},
    {"GENERATION", "register interface: v1 (QEMU, ACRN) or v2 (Jailhouse)", text,
     of_device<[](info_t i) {
         return to_string(i.generation);
     }>},
    {"TYPE", "plain (memory only), doorbell, or unknown if it cannot be read", text,
     of_device<[](info_t i) {
         return to_string(i.type);
     }>},
    {"SIZE", "size of the shared memory; of a BAR in a tree", integer, size_of},
    {"START", "guest physical address of the shared memory, or of a BAR", text, start_of},
    {"PART", "what a BAR is; the type of a device", text,
     [](const row& r, const style&) {
         return part_of(r);
     }},
    {"SECTIONS", "ivshmem-v2: state table, read/write and output section, base address", list,
     of_device<[](info_t i) {
         return sections_of(i);
     }>},
    {"VECTORS", "number of MSI-X vectors", integer, of_device<[](info_t i) {
         return digits(i.vectors);
     }>},
    {"REGION", "id of the memory region (ACRN)", integer, of_device<[](info_t i) {
         return digits(i.acrn_region);
     }>},
    {"DRIVER", "bound driver", text, of_device<[](info_t i) {
         return i.driver;
     }>},
    {"BACKEND", "backend of libivshmem for the driver", text, of_device<[](info_t i) {
         return backend_of(i);
     }>},
    {"GROUP", "IOMMU group", integer, of_device<[](info_t i) {
         return digits(i.iommu_group);
     }>},
    {"NOIOMMU", "whether the group is a no-IOMMU group of VFIO", text, of_device<[](info_t i) {
         return yes_no(i.noiommu);
     }>},
    {"MEMBERS", "the other functions of the IOMMU group, with their drivers", list,
     of_device<[](info_t i) {
         return lines(i.group_members, tools::member_text);
     }>},
    {"NODE", "node through which the driver offers the device", text, of_device<[](info_t i) {
         return node_of(i);
     }>},
    {"NODES", "all nodes, with this process's access", list, of_device<[](info_t i) {
         return lines(tools::nodes_of(i), [](auto* node) { return tools::node_text(*node); });
     }>},
    {"NUMA", "NUMA node", integer, of_device<[](info_t i) {
         return digits(i.numa_node);
     }>},
    {"ENABLED", "whether memory decoding is switched on", text, of_device<[](info_t i) {
         return yes_no(i.enabled);
     }>},
    {"GONE", "whether the device no longer answers", text, of_device<[](info_t i) {
         return yes_no(i.gone);
     }>},
    {"BARS", "the BARs: number, address, bytes, kind", list, of_device<[](info_t i) {
         return bars_of(i);
     }>},
    {"USE", "what this process can do with the device now", text, of_verdict<[](verdict_t v) {
         return tools::use_text(v);
     }>},
    {"MAP", "whether the memory can be mapped", text, of_verdict<[](verdict_t v) {
         return yes_no(v.can_map);
     }>},
    {"RING", "whether other VMs can be interrupted", text, of_verdict<[](verdict_t v) {
         return yes_no(v.can_ring);
     }>},
    {"INTERRUPT", "whether interrupts can arrive", text, of_verdict<[](verdict_t v) {
         return yes_no(v.can_interrupt);
     }>},
    {"PROBLEM", "why the device cannot be used as it is", text, of_verdict<[](verdict_t v) {
         return v.problem;
     }>},
    {"REMEDY", "the command that fixes it", text, of_verdict<[](verdict_t v) {
         return v.remedy;
     }>},
    {"UNREAD", "files that were missing, unreadable or garbage", list, of_device<[](info_t i) {
         return lines(i.problems, [](auto& line) { return line; });
     }>},
    {"NAME", "vendor and device name from pci.ids", text, name_of},
};

} // namespace

std::span<const column> all_columns() {
    return columns;
}

std::string column_names() {
    std::string names;
    for (const auto& c : columns)
        names += (names.empty() ? "" : ",") + std::string{c.name};
    return names;
}

std::vector<const column*> parse_columns(const std::string& names) {
    std::vector<const column*> result;
    std::size_t begin = 0;
    while (begin <= names.size()) {
        const auto end = std::min(names.find(',', begin), names.size());
        const auto name = names.substr(begin, end - begin);
        const auto found = std::find_if(std::begin(columns), std::end(columns), [&](const auto& c) {
            return ::strcasecmp(c.name, name.c_str()) == 0;
        });
        if (found == std::end(columns))
            throw std::runtime_error{"-o: no column is named \"" + name +
                                     "\"; see lsivshmem --list-columns"};
        result.push_back(found);
        begin = end + 1;
    }
    return result;
}

} // namespace lsivshmem
