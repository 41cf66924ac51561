// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/diagnosis.hpp"

#include "base/text.hpp"
#include "discovery/advice.hpp"
#include "discovery/device_reader.hpp"

#include <algorithm>

namespace ivshmem {
namespace {

bool usable(const std::optional<device_node>& node) {
    return node && node->usable();
}

diagnosis stuck(std::string problem, std::string remedy) {
    diagnosis result;
    result.problem = std::move(problem);
    result.remedy = std::move(remedy);
    return result;
}

diagnosis diagnose_vfio(const device_info& info, const privileges& may) {
    if (!info.iommu_group || !info.vfio_node)
        return stuck("bound to vfio-pci, but there is no IOMMU group to open", driver_remedy(info));
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
                     access_remedy(info, node));
    if (!node.usable())
        return stuck(node.path + ": this process may not open it", access_remedy(info, node));
    if (info.noiommu && !may.raw_io)
        return stuck(node.path + ": a no-IOMMU group needs CAP_SYS_RAWIO",
                     "sudo, or AmbientCapabilities=CAP_SYS_RAWIO in the systemd unit");
    const bool doorbell = info.type != device_type::plain;
    diagnosis result;
    result.can_map = true;
    result.can_ring = doorbell;
    result.can_interrupt = doorbell;
    return result;
}

/// Diagnoses a device whose memory cannot be mapped through sysfs.
diagnosis diagnose_unmapped(const device_info& info) {
    const bool bound = !info.driver.empty();
    const auto& node = info.resource2_wc ? info.resource2_wc : info.resource2;
    if (!node)
        return stuck("sysfs shows no resource2: BAR2 cannot be mapped", iommu_remedy(info));
    if (node->usable())
        return stuck(
            "no driver is bound, and only root may switch the device's memory on",
            formatted("echo 1 | sudo tee {}/enable", node->path.substr(0, node->path.rfind('/'))));
    return stuck(node->path + ": this process may not open it",
                 info.iommu_group && !info.noiommu && !bound && info.type != device_type::plain
                     ? driver_remedy(info)
                     : access_remedy(info, *node));
}

/// Adds that the UIO node cannot be used, or INTx not without root.
void add_node_problem(diagnosis& to, const device_info& info) {
    if (!info.uio_node) {
        to.problem =
            "bound to " + info.driver + ", but there is no UIO node: no interrupt can arrive";
        to.remedy = iommu_remedy(info);
        return;
    }
    if (info.uio_node->usable()) {
        to.problem = "INTx is masked when it arrives, and through uio_pci_generic only root may "
                     "unmask it";
        to.remedy = "run the program as root";
        return;
    }
    to.problem =
        info.uio_node->path + (info.uio_node->exists
                                   ? ": this process may not open it, so no interrupt can arrive"
                                   : ": is not there, so no interrupt can arrive");
    to.remedy = access_remedy(info, *info.uio_node);
}

/// Adds why igb_uio delivers no interrupt, or not all.
void add_igb_uio_problem(diagnosis& to, const device_info& info) {
    const auto mode = wrong_igb_uio_mode(info);
    to.remedy = driver_remedy(info);
    if (!info.uio_node || (mode.empty() && !info.uio_node->usable())) {
        add_node_problem(to, info);
    } else if (!mode.empty()) {
        to.problem = formatted("igb_uio was loaded with intr_mode={}, so no interrupt of this "
                               "device, which has MSI-X only, can arrive",
                               mode);
    } else if (info.vectors.value_or(1) > 1) {
        to.problem = formatted("igb_uio delivers vector 0 only, of {}", *info.vectors);
        to.remedy = iommu_remedy(info) + (info.iommu_group ? "" : ", and bind vfio-pci");
    } else {
        to.remedy.clear();
    }
}

/// Diagnoses igb_uio, uio_pci_generic and no driver: BAR2 is mapped through sysfs.
diagnosis diagnose_uio(const device_info& info, const privileges& may) {
    const bool bound = !info.driver.empty();
    const bool doorbell = info.type != device_type::plain;
    const bool decodes = bound || info.enabled || may.admin;
    const bool locked = !info.machine.lockdown.empty() && info.machine.lockdown != "none";
    if (locked)
        return stuck(formatted("kernel lockdown ({}): the memory can be mapped through vfio-pci "
                               "only",
                               info.machine.lockdown),
                     (info.iommu_group ? bind_command("vfio-pci", to_string(info.address))
                                       : iommu_remedy(info) + " and bind vfio-pci") +
                         "; or boot without Secure Boot and without lockdown=");

    diagnosis result;
    result.can_map = decodes && (usable(info.resource2_wc) || usable(info.resource2));
    if (!result.can_map)
        return diagnose_unmapped(info);
    result.can_ring = doorbell && (usable(info.resource0) || (bound && usable(info.uio_node)));
    result.can_interrupt = doorbell && usable(info.uio_node) &&
                           ((generic_delivers(info) && (may.admin || !info.intx)) ||
                            (info.driver == "igb_uio" && wrong_igb_uio_mode(info).empty()));
    if (!doorbell)
        return result;
    if (!result.can_ring) {
        const auto& node = bound && info.uio_node ? info.uio_node : info.resource0;
        result.problem = node ? node->path + ": this process may not open it, so it cannot ring"
                              : "sysfs shows no resource0: the doorbell cannot be reached";
        result.remedy = node ? access_remedy(info, *node) : iommu_remedy(info);
        return result;
    }
    if (info.driver == "igb_uio") {
        add_igb_uio_problem(result, info);
        return result;
    }
    if (result.can_interrupt)
        return result;
    if (generic_delivers(info)) {
        add_node_problem(result, info);
        return result;
    }
    result.problem = bound ? info.driver + " delivers no interrupts of this device: memory and "
                                           "doorbell only"
                           : "no driver is bound, so no interrupt can arrive: memory and doorbell "
                             "only";
    result.remedy = driver_remedy(info);
    return result;
}

/// Diagnoses a BAR that the device has and the kernel found no place for.
diagnosis diagnose_unplaced(const device_info& info, std::size_t index) {
    const auto& bar = info.bars.at(index);
    constexpr unsigned mebi = 20;
    const auto size = bar.size >> mebi != 0 ? formatted(" of {} MiB", bar.size >> mebi)
                      : bar.size != 0       ? formatted(" of {} bytes", bar.size)
                                            : std::string{};
    return stuck(formatted("the kernel found no place for BAR{}{}: the window of the bridge above "
                           "the device is too small",
                           index, size),
                 "start the VM with a larger window (QEMU: pref64-reserve=16G, above the size of "
                 "BAR2, of the pcie-root-port), or the device on the root bus (QEMU: bus=pcie.0)");
}

/// Returns whether the bound driver can do what a suitable driver would.
bool is_suitable(const device_info& info) {
    if (info.type == device_type::plain || info.generation == device_generation::v2)
        return backend_for(info).has_value();
    return info.driver == "vfio-pci" || generic_delivers(info) ||
           (info.driver == "igb_uio" && wrong_igb_uio_mode(info).empty());
}

/// Adds the advice that does not depend on the first obstacle.
void add_remedies(diagnosis& to, const device_info& info) {
    if (!is_suitable(info))
        to.driver_remedy = driver_remedy(info);
    if (!info.iommu_group)
        to.iommu_remedy = iommu_remedy(info);
    to.remapping_remedy = remapping_remedy(info.machine);
    to.msi_problem = msi_problem(info);
    if (!to.msi_problem.empty())
        to.msi_remedy = msi_remedy(info);
}

/// Diagnoses an ivshmem-v2 device that a driver offers with a UIO node.
diagnosis diagnose_uio_v2(const device_info& info) {
    const auto& node = *info.uio_node;
    if (!node.exists)
        return stuck(node.path + ": is not there, although " + info.driver + " is bound",
                     access_remedy(info, node));
    if (!node.usable())
        return stuck(node.path + ": this process may not open it", access_remedy(info, node));
    diagnosis result;
    result.can_map = result.can_ring = result.can_interrupt = true;
    return result;
}

diagnosis diagnose_v2(const device_info& info, const privileges& may) {
    const auto backend = backend_for(info);
    if (backend == backend_kind::uio)
        return diagnose_uio_v2(info);
    if (!info.bars[2].present())
        return stuck("this ivshmem-v2 device has no BAR2: its memory has a fixed address, which "
                     "vfio-pci cannot map",
                     driver_remedy(info));
    if (!info.bars[0].present())
        return stuck("there is no BAR0, so no registers", "check the VM's configuration");
    if (!backend)
        return stuck(info.driver.empty()
                         ? "no driver is bound, and an ivshmem-v2 device needs one"
                         : formatted("bound to {}, through which libivshmem cannot reach an "
                                     "ivshmem-v2 device",
                                     info.driver),
                     driver_remedy(info));
    auto result = diagnose_vfio(info, may);
    if (result.can_interrupt && info.type == device_type::doorbell && !info.vectors) {
        result.can_interrupt = false;
        result.problem = "the device has no MSI-X, and vfio-pci cannot deliver INTx of ivshmem-v2: "
                         "memory, states and doorbell only";
        result.remedy = get_uio_ivshmem();
    }
    return result;
}

diagnosis diagnose_access(const device_info& info, const privileges& may) {
    if (info.gone)
        return stuck("the device does not answer any more: it was unplugged or has failed",
                     "echo 1 | sudo tee /sys/bus/pci/rescan");
    for (const std::size_t bar : {2U, 0U})
        if (info.bars.at(bar).unplaced())
            return diagnose_unplaced(info, bar);
    if (std::none_of(info.bars.begin(), info.bars.end(), [](const auto& b) { return b.present(); }))
        return stuck("sysfs says nothing of its BARs", "lsivshmem -vv says what cannot be read");
    if (info.generation == device_generation::v2)
        return diagnose_v2(info, may);
    if (!info.bars[2].present())
        return stuck("there is no BAR2, so no shared memory",
                     "check the VM's configuration (QEMU: memdev= or chardev= of the device)");
    if (info.type != device_type::plain && !info.bars[0].present())
        return stuck("there is no BAR0, so no registers", "check the VM's configuration");
    if (may_have_other_registers(info) && info.revision == 0)
        return stuck(formatted("BAR0 has {} bytes instead of {}: its registers are not those of "
                               "ivshmem v1, although its PCI id is",
                               info.bars[0].size, v1_register_bytes),
                     "");
    const auto backend = backend_for(info);
    if (!backend)
        return stuck(
            formatted("bound to {}, through which libivshmem cannot reach it", info.driver),
            driver_remedy(info));
    return *backend == backend_kind::vfio ? diagnose_vfio(info, may) : diagnose_uio(info, may);
}

} // namespace

bool may_have_other_registers(const device_info& info) {
    return info.generation == device_generation::v1 && info.bars[0].size > v1_register_bytes &&
           !info.acrn_region;
}

bool generic_delivers(const device_info& info) {
    return info.driver == "uio_pci_generic" && (info.driver_vectors != 0 || info.intx);
}

bool holds_group_back(const group_function& member) {
    return !member.bridge && !member.driver.empty() && member.driver != "pci-stub" &&
           member.driver != "pcieport" && member.driver.find("vfio") == std::string::npos;
}

diagnosis diagnose(const device_info& info, const privileges& may) {
    auto result = diagnose_access(info, may);
    result.driver = suitable_driver(info);
    if (!info.gone)
        add_remedies(result, info);
    if (!result.msi_problem.empty()) {
        // No driver helps, so this comes before whatever the driver lacks.
        result.can_interrupt = false;
        if (result.can_ring) {
            result.problem = result.msi_problem;
            result.remedy = result.msi_remedy;
        }
    }
    if (result.can_map && may_have_other_registers(info)) { // no driver would help either
        result.problem = formatted("BAR0 has {} bytes, and that of ivshmem v1 {}: if its registers "
                                   "are others, opening it is refused",
                                   info.bars[0].size, v1_register_bytes);
        result.remedy = "ivshmemctl info -D " + to_string(info.address);
    }
    // A device that an ordinary user can use is not at fault for what only root may know.
    const auto wrong =
        std::find_if(info.problems.begin(), info.problems.end(), [](const std::string& problem) {
            return problem.find(without_the_right) == std::string::npos;
        });
    if (result.problem.empty() && wrong != info.problems.end()) {
        result.problem = *wrong;
        result.remedy = "lsivshmem -vv lists everything that cannot be read";
    }
    return result;
}

diagnosis diagnose(const device_info& info) {
    return diagnose(info, own_privileges());
}

} // namespace ivshmem
