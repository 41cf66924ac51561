// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/diagnosis.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace ivshmem {
namespace {

bool usable(const std::optional<device_node>& node) {
    return node && node->usable();
}

/// Returns how to get interrupts if the present driver delivers none, or not all.
std::string interrupt_remedy(const device_info& info) {
    if (info.iommu_group && !info.noiommu)
        return bind_command("vfio-pci", to_string(info.address));
    return "apt install dpdk-kmods-dkms linux-headers-$(uname -r) && " +
           bind_command("igb_uio", to_string(info.address));
}

std::string access_command(const device_node& node) {
    if (!node.group.empty())
        return formatted("sudo adduser \"$USER\" {}, and log in again", node.group);
    return formatted("sudo chown \"$USER\" {}", node.path);
}

diagnosis stuck(std::string problem, std::string remedy) {
    return {false, false, false, std::move(problem), std::move(remedy)};
}

diagnosis diagnose_vfio(const device_info& info, const privileges& may) {
    if (!info.iommu_group || !info.vfio_node)
        return stuck("bound to vfio-pci, but there is no IOMMU group to open",
                     "start the VM with a vIOMMU (QEMU: -device intel-iommu,intremap=on), or: " +
                         bind_command("igb_uio", to_string(info.address)));
    const auto& node = *info.vfio_node;
    for (const auto& member : info.group_members)
        if (holds_group_back(member))
            return stuck(
                formatted("{}: group not viable: {} is still bound to {}; bind it to vfio-pci or "
                          "unbind it",
                          node.path, to_string(member.address), member.driver),
                formatted("driverctl set-override {} vfio-pci", to_string(member.address)));
    if (!node.exists)
        return stuck(node.path + ": is not there, although vfio-pci is bound",
                     "udevadm trigger (in a container: give it the node, docker run --device)");
    if (!node.usable())
        return stuck(node.path + ": this process may not open it", access_command(node));
    if (info.noiommu && !may.raw_io)
        return stuck(node.path + ": a no-IOMMU group needs CAP_SYS_RAWIO",
                     "sudo, or AmbientCapabilities=CAP_SYS_RAWIO in the systemd unit");
    const bool doorbell = info.type != device_type::plain;
    return {true, doorbell, doorbell, {}, {}};
}

/// Diagnoses igb_uio, uio_pci_generic and no driver: BAR2 is mapped through sysfs.
diagnosis diagnose_uio(const device_info& info, const privileges& may) {
    const bool bound = !info.driver.empty();
    const bool doorbell = info.type != device_type::plain;
    const bool decodes = bound || info.enabled || may.admin;

    diagnosis result;
    result.can_map = decodes && (usable(info.resource2_wc) || usable(info.resource2));
    result.can_ring =
        doorbell && decodes && (usable(info.resource0) || (bound && usable(info.uio_node)));
    result.can_interrupt = doorbell && info.driver == "igb_uio" && usable(info.uio_node);

    if (!result.can_map) {
        const auto& node = info.resource2_wc ? info.resource2_wc : info.resource2;
        if (!node)
            return stuck("sysfs shows no resource2: BAR2 cannot be mapped", interrupt_remedy(info));
        if (node->usable())
            return stuck("no driver is bound, and only root may switch the device's memory on",
                         formatted("echo 1 | sudo tee {}/enable",
                                   node->path.substr(0, node->path.rfind('/'))));
        result.problem = node->path + ": this process may not open it";
        result.remedy = info.iommu_group && !info.noiommu && !bound
                            ? bind_command("vfio-pci", to_string(info.address))
                            : access_command(*node);
        return result;
    }
    if (!doorbell)
        return result;
    if (!result.can_ring) {
        const auto& node = bound && info.uio_node ? info.uio_node : info.resource0;
        result.problem = node ? node->path + ": this process may not open it, so it cannot ring"
                              : "sysfs shows no resource0: the doorbell cannot be reached";
        result.remedy = node ? access_command(*node) : interrupt_remedy(info);
        return result;
    }
    if (info.driver == "igb_uio") {
        if (!info.uio_node)
            result.problem = "bound to igb_uio, but there is no UIO node: no interrupt can arrive";
        else if (!result.can_interrupt)
            result.problem = info.uio_node->path + ": this process may not open it, so no "
                                                   "interrupt can arrive";
        else if (info.vectors.value_or(1) > 1)
            result.problem = formatted("igb_uio delivers vector 0 only, of {}", *info.vectors);
        if (!result.problem.empty())
            result.remedy = info.uio_node && !result.can_interrupt ? access_command(*info.uio_node)
                            : info.iommu_group && !info.noiommu
                                ? bind_command("vfio-pci", to_string(info.address))
                                : "start the VM with a vIOMMU (QEMU: -device "
                                  "intel-iommu,intremap=on) and bind vfio-pci";
        return result;
    }
    result.problem = bound ? info.driver + " delivers no interrupts of this device: memory and "
                                           "doorbell only"
                           : "no driver is bound, so no interrupt can arrive: memory and doorbell "
                             "only";
    result.remedy = interrupt_remedy(info);
    return result;
}

} // namespace

std::string bind_command(std::string_view driver, std::string_view device) {
    return formatted("ivshmemctl bind --driver {} {}", driver, device);
}

bool holds_group_back(const group_function& member) {
    return !member.bridge && !member.driver.empty() && member.driver != "pci-stub" &&
           member.driver != "pcieport" && member.driver.find("vfio") == std::string::npos;
}

diagnosis diagnose(const device_info& info, const privileges& may) {
    if (info.gone)
        return stuck("the device does not answer any more: it was unplugged or has failed",
                     "echo 1 | sudo tee /sys/bus/pci/rescan");
    if (info.protocol == device_protocol::v2)
        return stuck("ivshmem-v2 is recognised, but cannot be opened yet", "");
    if (std::none_of(info.bars.begin(), info.bars.end(), [](const auto& b) { return b.present(); }))
        return stuck("sysfs says nothing of its BARs", "lsivshmem -vv says what cannot be read");
    if (!info.bars[2].present())
        return stuck("there is no BAR2, so no shared memory",
                     "check the VM's configuration (QEMU: memdev= or chardev= of the device)");
    if (info.type != device_type::plain && !info.bars[0].present())
        return stuck("there is no BAR0, so no registers", "check the VM's configuration");
    const auto backend = backend_for(info);
    if (!backend)
        return stuck(
            formatted("bound to {}, through which libivshmem cannot reach it", info.driver),
            interrupt_remedy(info));
    return *backend == backend_kind::vfio ? diagnose_vfio(info, may) : diagnose_uio(info, may);
}

diagnosis diagnose(const device_info& info) {
    return diagnose(info, own_privileges());
}

} // namespace ivshmem
