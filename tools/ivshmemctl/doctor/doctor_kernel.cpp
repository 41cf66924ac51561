// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "common/print.hpp"
#include "doctor/checks.hpp"
#include "lockdown.hpp"
#include "setup/kernel_config.hpp"
#include "setup/kernel_module.hpp"

namespace ivshmemctl {
namespace {

std::string_view to_string(module_state state) {
    switch (state) {
    case module_state::missing:
        return "missing";
    case module_state::installed:
        return "not loaded";
    case module_state::present:
        return "loaded";
    case module_state::unknown:
        break;
    }
    return "unknown";
}

} // namespace

finding check_kernel_config(const examined_device& target) {
    const kernel_config config{target.root};
    if (!config.known())
        return {"kernel config", outcome::skip,
                "neither /boot/config-$(uname -r) nor /proc/config.gz can be read", ""};
    std::string text = config.source() + ":";
    for (const char* name :
         {"VFIO_PCI", "VFIO_NOIOMMU", "INTEL_IOMMU", "AMD_IOMMU", "VIRTIO_IOMMU", "IRQ_REMAP",
          "UIO", "UIO_PCI_GENERIC", "STRICT_DEVMEM", "IO_STRICT_DEVMEM"})
        text += tools::format(" {}={}", name, config.value(name));
    if (!config.has("VFIO_PCI") && !config.has("UIO") && !target.is_plain())
        return {"kernel config", outcome::fail, text,
                "boot a kernel with CONFIG_VFIO_PCI, such as a distribution's"};
    return {"kernel config", outcome::ok, text, ""};
}

finding check_lockdown(const examined_device& target) {
    const auto mode = lockdown(target.root);
    if (!mode)
        return {"lockdown", outcome::skip,
                "the kernel does not say (no lockdown, or securityfs is not mounted)", ""};
    if (*mode == "none")
        return {"lockdown", outcome::ok, "none", ""};
    if (target.is_vfio())
        return {"lockdown", outcome::warn,
                *mode + ": the memory can be mapped through VFIO only, uncached",
                "boot without Secure Boot and without lockdown= for a faster mapping"};
    return {"lockdown", outcome::fail, *mode + ": the memory can be mapped through vfio-pci only",
            target.verdict.remedy};
}

finding check_modules(const examined_device& target) {
    const bool vfio = target.info.iommu_group.has_value() || target.is_vfio() ||
                      target.info.machine.groups_when_bound();
    std::string text;
    std::string missing;
    for (const char* name : {"vfio-pci", "vfio_iommu_type1", "uio_pci_generic", "igb_uio"}) {
        const auto state = find_module(target.root, name);
        text += tools::format("{}{} {}", text.empty() ? "" : ", ", name, to_string(state));
        const bool needed = vfio == (name[0] == 'v') && name[0] != 'u';
        if (state == module_state::missing && needed && missing.empty())
            missing = name;
    }
    if (target.is_plain())
        return {"modules", outcome::skip, text + " (a plain device needs none)", ""};
    if (missing.empty() || target.is_generic_with_interrupts())
        return {"modules", outcome::ok, text, ""};
    // Without a vIOMMU, igb_uio is the second choice; check_iommu() reports the missing vIOMMU.
    return {
        "modules", vfio ? outcome::fail : outcome::warn,
        tools::format("the kernel {} has no {}: {}", kernel_release(target.root), missing, text),
        how_to_get_module(missing, target.info.machine)};
}

} // namespace ivshmemctl
