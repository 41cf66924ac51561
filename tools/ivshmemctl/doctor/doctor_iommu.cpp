// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "common/print.hpp"
#include "doctor/checks.hpp"
#include "doctor/kernel_config.hpp"
#include "setup/bindable.hpp"
#include "setup/kernel_module.hpp"
#include "text_file.hpp"

#include <system_error>

namespace ivshmemctl {
namespace {

namespace fs = std::filesystem;

constexpr const char* for_a_plain_device = "not needed: a plain device has no interrupts";

bool has_entries(const fs::path& folder) {
    std::error_code ec;
    return fs::directory_iterator{folder, ec} != fs::directory_iterator{} && !ec;
}

/// Returns whether the firmware describes an IOMMU.
bool has_table(const fs::path& root) {
    std::error_code ec;
    for (const char* table : {"DMAR", "IVRS", "VIOT"})
        if (fs::exists(root / "sys/firmware/acpi/tables" / table, ec))
            return true;
    return false;
}

std::string igb_uio_command(const examined_device& target) {
    const auto bind = "ivshmemctl bind --driver igb_uio " + target.name();
    return find_module(target.root, "igb_uio") == module_state::missing
               ? how_to_get_module("igb_uio") + " && " + bind
               : bind;
}

} // namespace

finding check_iommu(const examined_device& target) {
    if (target.is_plain())
        return {"vIOMMU", outcome::skip, for_a_plain_device, ""};
    if (target.info.noiommu)
        return {"vIOMMU", outcome::warn,
                "none; VFIO's no-IOMMU mode works without one, and is unsafe", ""};
    if (target.info.iommu_group)
        return {"vIOMMU", outcome::ok, "present and in use", ""};
    const bool works = target.info.driver == "igb_uio";
    if (has_table(target.root) && !has_entries(target.root / "sys/class/iommu"))
        return {"vIOMMU", works ? outcome::warn : outcome::fail,
                "the VM has a vIOMMU, but the kernel does not use it",
                "add intel_iommu=on to GRUB_CMDLINE_LINUX in /etc/default/grub, update-grub, "
                "reboot"};
    return {"vIOMMU", works ? outcome::warn : outcome::fail,
            works ? "none, so vector 0 is all that igb_uio can deliver"
                  : "the VM has no vIOMMU, so vfio-pci cannot deliver interrupts",
            "start the VM with one (QEMU: -device intel-iommu,intremap=on; Linux: intel_iommu=on)" +
                (works ? "" : ", or: " + igb_uio_command(target))};
}

finding check_group(const examined_device& target) {
    if (target.is_plain() && !target.is_vfio())
        return {"IOMMU group", outcome::skip, for_a_plain_device, ""};
    if (!target.info.iommu_group)
        return {"IOMMU group", outcome::skip, "none without a vIOMMU", ""};
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
                "start the VM with -device intel-iommu,intremap=on"};
    if (target.info.driver == "igb_uio")
        return {name, outcome::warn, "the vIOMMU remaps no interrupts; igb_uio does not need it",
                ""};
    return {name, outcome::fail,
            "the vIOMMU remaps no interrupts, so VFIO refuses the group (EPERM)",
            tools::format("start the VM with -device intel-iommu,intremap=on, or, unsafe: modprobe "
                          "vfio_iommu_type1 && echo 1 >/{}",
                          allow)};
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
    const auto mode =
        read_text(target.root / "sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
    if (mode == "Y")
        return {name, outcome::ok, "switched on", ""};
    const kernel_config config{target.root};
    if (mode || (config.known() && config.has("VFIO_NOIOMMU")))
        return {name, outcome::warn, "the kernel has it, switched off (it is unsafe)",
                tools::format("{} && ivshmemctl bind --driver vfio-pci {}",
                              mode
                                  ? "echo Y >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
                                  : "modprobe vfio enable_unsafe_noiommu_mode=1",
                              target.name())};
    return {name, outcome::skip,
            config.known() ? "this kernel has none (CONFIG_VFIO_NOIOMMU is not set)"
                           : "this kernel does not report one",
            ""};
}

} // namespace ivshmemctl
