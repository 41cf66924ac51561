// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/bindable.hpp"

#include "common/print.hpp"
#include "setup/holders.hpp"
#include "setup/kernel_module.hpp"
#include "setup/mtrr.hpp"
#include "setup/no_iommu.hpp"
#include "text_file.hpp"

#include <algorithm>
#include <system_error>

namespace ivshmemctl {
namespace {

using ivshmem::device_info;

std::string why_not_vfio(const device_info& device) {
    if (device.iommu_group || device.machine.noiommu_allowed || device.machine.groups_when_bound())
        return {};
    return "there is no IOMMU group, which vfio-pci needs; try: " + diagnose(device).iommu_remedy +
           "; or --driver igb_uio";
}

/// bind cannot change the parameters of a loaded module.
std::string why_not_igb_uio(const device_info& device) {
    auto bound = device;
    bound.driver = "igb_uio";
    const auto verdict = diagnose(bound);
    if (device.type == ivshmem::device_type::plain || verdict.driver_remedy.empty())
        return {};
    return tools::format("it was loaded with intr_mode={}, in which no interrupt of the device "
                         "arrives; try: rmmod igb_uio",
                         device.machine.igb_uio_mode);
}

/// Returns why the driver cannot take the device, whatever driver it has now.
std::string why_not_driver(const device_info& device, const binding& wanted,
                           std::span<const device_info> bound_too,
                           const std::filesystem::path& root) {
    const auto& driver = wanted.driver;
    if (driver != "none" && find_module(root, driver) == module_state::missing)
        return tools::format("the kernel {} has no module {}; try: {}", kernel_release(root),
                             driver, how_to_get_module(driver, device.machine));
    if (auto reason = wanted.no_iommu        ? why_not_without_iommu(device, root)
                      : driver == "vfio-pci" ? why_not_vfio(device)
                      : driver == "igb_uio"  ? why_not_igb_uio(device)
                                             : std::string{};
        !reason.empty())
        return reason;
    if (driver == "vfio-pci" && !device.iommu_group)
        return {}; // the group appears when it is bound
    const auto verdict = diagnose_bound(device, driver, bound_too);
    if (verdict.can_map)
        return {};
    return verdict.problem + (verdict.remedy.empty() ? "" : "; try: " + verdict.remedy);
}

std::string why_not_cached(const device_info& device, const std::filesystem::path& root) {
    const auto reason = why_not_cachable(root, device.bars[2]);
    return reason.empty() ? "" : "--cached: " + reason;
}

/// driverctl also binds the device when it appears, so the two would compete.
std::string why_not_persistent(const device_info& device, const std::string& driver,
                               const std::filesystem::path& root) {
    const auto name = to_string(device.address);
    if (const auto other = read_text(root / ("etc/driverctl.d/pci-" + name));
        other && *other != driver)
        return tools::format("--persist: driverctl binds it to {}; try: driverctl "
                             "unset-override {}",
                             *other, name);
    std::error_code ec;
    if (!std::filesystem::exists(root / "run/udev/control", ec))
        return "--persist: udev does not run here (/run/udev/control is missing), so nothing would "
               "bind the device when it appears";
    return {};
}

} // namespace

ivshmem::diagnosis diagnose_bound(device_info device, const std::string& driver,
                                  std::span<const device_info> bound_too) {
    device.driver = driver == "none" ? "" : driver;
    device.enabled = true;
    device.vfio_node.reset();
    device.uio_node.reset();
    if (driver == "vfio-pci" && device.iommu_group)
        device.vfio_node = {
            tools::format("/dev/vfio/{}", *device.iommu_group), true, true, true, {}};
    else if (driver != "vfio-pci" && driver != "none")
        device.uio_node = {"/dev/uioN", true, true, true, {}};
    for (auto* file : {&device.resource0, &device.resource2, &device.resource2_wc})
        if (*file)
            (*file)->readable = (*file)->writable = true;
    for (auto& member : device.group_members)
        if (std::any_of(bound_too.begin(), bound_too.end(),
                        [&](const auto& other) { return other.address == member.address; }))
            member.driver = driver;
    return diagnose(device);
}

std::string why_not_bindable(const device_info& device, const binding& wanted,
                             std::span<const device_info> bound_too,
                             const std::filesystem::path& root) {
    std::string reason;
    if (!is_bound(device, wanted.driver)) {
        if (root == "/" && device.machine.read_only_sysfs)
            return "/sys is read-only, as in a container; bind it outside of the container";
        reason = why_not_driver(device, wanted, bound_too, root);
        if (reason.empty() && root == "/") // unknown for a captured tree
            reason = why_in_use(device);
    } else if (wanted.no_iommu && !device.noiommu) {
        reason = why_not_without_iommu(device, root);
    }
    if (reason.empty() && wanted.cached)
        reason = why_not_cached(device, root);
    if (reason.empty() && wanted.persist)
        reason = why_not_persistent(device, wanted.driver, root);
    return reason;
}

} // namespace ivshmemctl
