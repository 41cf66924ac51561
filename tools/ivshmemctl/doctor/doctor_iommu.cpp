// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "common/print.hpp"
#include "doctor/checks.hpp"
#include "setup/bindable.hpp"
#include "setup/no_iommu.hpp"
#include "text_file.hpp"

#include <string_view>

namespace ivshmemctl {
namespace {

using ivshmem::iommu_kind;

constexpr const char* for_a_plain_device = "not needed: a plain device has no interrupts";

std::string_view to_string(iommu_kind kind) {
    switch (kind) {
    case iommu_kind::intel:
        return "Intel";
    case iommu_kind::amd:
        return "AMD";
    case iommu_kind::virtio:
        return "virtio";
    case iommu_kind::smmu:
        return "SMMU";
    case iommu_kind::none:
    case iommu_kind::unspecified:
        break;
    }
    return "of another kind";
}

} // namespace

finding check_iommu(const examined_device& target) {
    if (target.is_plain())
        return {"vIOMMU", outcome::skip, for_a_plain_device, ""};
    if (target.info.generation == ivshmem::device_generation::v2 &&
        (!target.info.bars[2].present() || backend_for(target.info) == ivshmem::backend_kind::uio))
        return {"vIOMMU", outcome::skip, "not needed: the device is not for vfio-pci", ""};
    if (target.info.noiommu)
        return {"vIOMMU", outcome::warn,
                "none; VFIO's no-IOMMU mode works without one, and is unsafe", ""};
    if (target.info.iommu_group)
        return {"vIOMMU", outcome::ok, "present and in use", ""};
    if (target.is_generic_with_interrupts())
        return {"vIOMMU", outcome::skip, "not needed: uio_pci_generic delivers the interrupts", ""};
    const bool works = target.info.driver == "igb_uio";
    const auto& machine = target.info.machine;
    if (machine.groups_when_bound())
        return {"vIOMMU", works ? outcome::warn : outcome::ok,
                "present; the device gets its group when vfio-pci is bound",
                works ? target.verdict.iommu_remedy : ""};
    const auto& driver = target.verdict.driver_remedy;
    auto next = target.verdict.iommu_remedy;
    if (!works && !driver.empty() && driver.find(next) == std::string::npos)
        next += "; or, for interrupts on vector 0 only: " + driver;
    if (!works && driver.find(target.verdict.iommu_remedy) != std::string::npos)
        next = driver;
    const auto is = works ? outcome::warn : outcome::fail;
    if (machine.iommu != iommu_kind::none)
        return {"vIOMMU", is,
                tools::format(
                    "the VM has a vIOMMU ({}), but the kernel {}", to_string(machine.iommu),
                    machine.iommu_in_use ? "gave this device no group in it" : "does not use it"),
                next};
    return {"vIOMMU", is,
            works ? "none, so vector 0 is all that igb_uio can deliver"
                  : "the VM has no vIOMMU, so vfio-pci cannot deliver interrupts",
            next};
}

finding check_group(const examined_device& target) {
    if (target.is_plain() && !target.is_vfio())
        return {"IOMMU group", outcome::skip, for_a_plain_device, ""};
    if (!target.info.iommu_group)
        return {"IOMMU group", outcome::skip,
                target.info.machine.groups_when_bound() ? "none yet; made when vfio-pci is bound"
                                                        : "none without a vIOMMU",
                ""};
    std::string text =
        tools::format("{}{}", *target.info.iommu_group,
                      target.info.group_members.empty() ? ", alone in it" : ", with");
    for (const auto& member : target.info.group_members)
        text += tools::format(" {} ({})", to_string(member.address),
                              member.driver.empty() ? "no driver" : member.driver);
    if (target.info.driver == "igb_uio" || target.info.group_members.empty())
        return {"IOMMU group", outcome::ok, text, ""};
    const auto verdict =
        target.is_vfio() ? target.verdict : diagnose_bound(target.info, "vfio-pci");
    if (verdict.can_map || verdict.problem.find("group not viable") == std::string::npos)
        return {"IOMMU group", outcome::ok, text, ""};
    return {"IOMMU group", outcome::fail, text + ": " + verdict.problem,
            verdict.remedy + ", or give the device a place of its own in the VM (QEMU: "
                             "bus=pcie.0)"};
}

finding check_remapping(const examined_device& target) {
    constexpr const char* name = "remapping";
    constexpr const char* allow = "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts";
    if (target.is_plain() && !target.is_vfio())
        return {name, outcome::skip, for_a_plain_device, ""};
    if (!target.info.iommu_group || target.info.noiommu)
        return {name, outcome::skip, "only a vIOMMU remaps interrupts", ""};
    // Interrupt chips are named IR-IO-APIC and IR-PCI-MSI if their interrupts are remapped (x86).
    const auto interrupts = read_text(target.root / "proc/interrupts");
    if (!interrupts || interrupts->find("ITS-") != std::string::npos || // Arm's remaps always
        (interrupts->find("IO-APIC") == std::string::npos &&
         interrupts->find("PCI-MSI") == std::string::npos))
        return {name, outcome::skip, "/proc/interrupts does not say", ""};
    if (interrupts->find("IR-") != std::string::npos)
        return {name, outcome::ok, "the vIOMMU remaps interrupts", ""};
    if (read_text(target.root / allow) == "Y")
        return {name, outcome::warn,
                "the vIOMMU remaps no interrupts, and VFIO is configured to allow that",
                target.verdict.remapping_remedy};
    if (target.info.driver == "igb_uio")
        return {name, outcome::warn, "the vIOMMU remaps no interrupts; igb_uio does not need it",
                ""};
    return {name, outcome::fail,
            "the vIOMMU remaps no interrupts, so VFIO refuses the group (EPERM)",
            target.verdict.remapping_remedy};
}

finding check_noiommu(const examined_device& target) {
    constexpr const char* name = "no-IOMMU mode";
    if (target.is_plain())
        return {name, outcome::skip, for_a_plain_device, ""};
    if (target.info.noiommu)
        return {name, outcome::warn, "in use: any program that has the device can use all memory",
                ""};
    if (target.info.iommu_group)
        return {name, outcome::skip, "not needed: there is an IOMMU group", ""};
    if (target.info.machine.iommu != iommu_kind::none)
        return {name, outcome::skip, "not needed: the VM has a vIOMMU", ""};
    const auto mode = find_no_iommu_mode(target.root);
    if (mode == no_iommu_mode::on)
        return {name, outcome::ok, "switched on", ""};
    if (mode == no_iommu_mode::off)
        return {name, outcome::warn,
                "the kernel has it, switched off: interrupts on every vector without a vIOMMU, but "
                "any program that has the device can use all memory",
                "ivshmemctl bind --no-iommu " + target.name()};
    return {name, outcome::skip,
            mode == no_iommu_mode::missing ? "this kernel has none (CONFIG_VFIO_NOIOMMU is not set)"
                                           : "this kernel does not report one",
            ""};
}

} // namespace ivshmemctl
