// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "device_text.hpp"

#include "print.hpp"

namespace tools {

std::string size_text(std::uint64_t bytes, bool plain) {
    // A BAR is a power of two, so the largest unit that fits divides it.
    constexpr char units[] = {'B', 'K', 'M', 'G', 'T', 'P', 'E'};
    if (plain)
        return std::to_string(bytes);
    std::size_t unit = 0;
    for (; bytes >= 1024 && bytes % 1024 == 0; bytes /= 1024)
        ++unit;
    return std::to_string(bytes) + units[unit]; // NOLINT(*-constant-array-index): 2^64 is 16E
}

std::string headline(const ivshmem::device_info& info) {
    auto text = tools::format(
        "{} ivshmem {} {}", to_string(info.address), to_string(info.generation),
        info.type == ivshmem::device_type::unknown ? "of unknown type" : to_string(info.type));
    if (info.vectors)
        text += tools::format(", {} vector{}", *info.vectors, *info.vectors == 1 ? "" : "s");
    if (info.memory_size() != 0)
        text += ", " + size_text(info.memory_size(), false);
    if (info.acrn_region)
        text += tools::format(", ACRN region {}", *info.acrn_region);
    return text;
}

std::string node_text(const ivshmem::device_node& node) {
    if (!node.exists)
        return node.path + " missing";
    return node.path + ' ' + (node.readable ? 'r' : '-') + (node.writable ? 'w' : '-');
}

std::vector<const ivshmem::device_node*> nodes_of(const ivshmem::device_info& info) {
    std::vector<const ivshmem::device_node*> nodes;
    for (const auto* node :
         {&info.vfio_node, &info.uio_node, &info.resource0, &info.resource2, &info.resource2_wc})
        if (*node)
            nodes.push_back(&**node);
    return nodes;
}

std::string member_text(const ivshmem::group_function& member) {
    auto text = to_string(member.address);
    if (member.bridge)
        text += " bridge";
    if (!member.driver.empty())
        text += ' ' + member.driver;
    return text;
}

const char* bar_purpose(const ivshmem::device_info& info, std::size_t bar) {
    switch (bar) {
    case 0:
        return "registers";
    case 1:
        return info.vectors ? "MSI-X table" : "unused";
    case 2:
        return "shared memory";
    default:
        return "unknown";
    }
}

std::string protocol_text(const ivshmem::device_info& info) {
    // ivshmem-v2-specification.md, "Header Registers" and "Protocols"
    const std::uint32_t protocol = info.class_code & 0xffffU;
    const char* meaning = "reserved";
    if (protocol == 0)
        meaning = "undefined";
    else if (protocol == 1)
        meaning = "Ethernet";
    else if (protocol >= 0xc000)
        meaning = "virtio, back-end";
    else if (protocol >= 0x8000)
        meaning = "virtio, front-end";
    else if (protocol >= 0x4000)
        meaning = "user-defined";
    return format("{:#06x}, {}", protocol, meaning);
}

std::string sections_text(const ivshmem::v2_layout& layout, bool plain) {
    return format("state table {}, read/write {}, output {} a peer",
                  size_text(layout.state_table, plain), size_text(layout.read_write, plain),
                  size_text(layout.output, plain));
}

std::string use_text(const ivshmem::diagnosis& verdict) {
    std::string text;
    const auto add = [&](bool can, const char* word) {
        if (can)
            text += (text.empty() ? "" : " ") + std::string{word};
    };
    add(verdict.can_map, "map");
    add(verdict.can_ring, "ring");
    add(verdict.can_interrupt, "interrupt");
    return text.empty() ? "none" : text;
}

} // namespace tools
