// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/device_reader.hpp"
#include "discovery/permission.hpp"

#include <algorithm>
#include <limits>

#include <fcntl.h>
#include <unistd.h>

// The part of device_reader that finds ways to access the device: IOMMU group and nodes.

namespace ivshmem {
namespace {

/// Returns the effective user's access to a file, without opening it.
device_node look_at(std::string path, const std::string& prefix) {
    const auto may = [&](int mode) {
        return ::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0;
    };
    device_node node;
    node.exists = may(F_OK);
    node.readable = node.exists && may(R_OK);
    node.writable = node.exists && may(W_OK);
    node.group = permitted_group(path, prefix);
    node.path = std::move(path);
    return node;
}

} // namespace

void device_reader::read_group() {
    failure f;
    const auto number_text = dir_.link("iommu_group", f);
    note(f, if_absent::ignore);
    if (!number_text)
        return;
    const auto number = parse_number(*number_text);
    if (!number || *number > std::numeric_limits<std::uint32_t>::max())
        return note(formatted("{}: leads to {} instead of a group's number",
                              dir_.path("iommu_group"), in_quotes(*number_text)));
    info_.iommu_group = static_cast<std::uint32_t>(*number);

    const auto group = dir_.dir("iommu_group");
    if (group.has("name")) {
        failure bad;
        info_.noiommu = group.text("name", bad) == "vfio-noiommu";
        note(bad);
    }
    failure bad;
    auto members = group.dir("devices").entries(bad);
    note(bad);
    if (!members)
        return;
    std::sort(members->begin(), members->end());
    for (const auto& name : *members)
        read_member(group, name);
}

void device_reader::read_member(const sysfs_dir& group, const std::string& name) {
    const auto address = parse_pci_address(name);
    if (!address)
        return note(group.path("devices") + "/" + in_quotes(name) +
                    ": is no PCI device; whether it holds the group back cannot be judged");
    if (*address == info_.address)
        return;
    const auto dir = group.dir("devices").dir(name);
    group_function member{*address, {}, false};
    failure f;
    if (auto driver = dir.link("driver", f))
        member.driver = std::move(*driver);
    note(f, if_absent::ignore);
    failure bad;
    // PCI 3.0, appendix D: 0604h is a PCI-to-PCI bridge, whose driver claims no DMA.
    if (const auto code = dir.number("class", 0xffffff, bad))
        member.bridge = *code >> 8U == 0x0604;
    note(bad);
    info_.group_members.push_back(std::move(member));
}

std::optional<device_node> device_reader::attribute_node(std::string_view name) const {
    if (!dir_.has(name))
        return std::nullopt;
    return look_at(dir_.path(name), prefix_);
}

void device_reader::read_nodes() {
    info_.resource0 = attribute_node("resource0");
    info_.resource2 = attribute_node("resource2");
    info_.resource2_wc = attribute_node("resource2_wc");
    // A group has a node only while a VFIO driver is bound to one of its devices.
    if (info_.iommu_group && info_.driver == "vfio-pci")
        info_.vfio_node = look_at(formatted("{}/dev/vfio/{}{}", prefix_,
                                            info_.noiommu ? "noiommu-" : "", *info_.iommu_group),
                                  prefix_);
    read_uio_node();
}

void device_reader::read_uio_node() {
    const auto dir = dir_.dir("uio");
    failure f;
    auto names = dir.entries(f);
    note(f, if_absent::ignore);
    if (!names)
        return;
    std::sort(names->begin(), names->end());
    constexpr std::string_view stem = "uio";
    for (const auto& name : *names) {
        const auto digits = std::string_view{name}.substr(std::min(stem.size(), name.size()));
        if (name.starts_with(stem) && !digits.starts_with("0x") && parse_number(digits)) {
            info_.uio_node = look_at(prefix_ + "/dev/" + name, prefix_);
            return;
        }
    }
    note(dir.path() + ": holds no uioN");
}

} // namespace ivshmem
