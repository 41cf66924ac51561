// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/machine.hpp"

#include "discovery/sysfs.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <sys/statvfs.h>
#include <sys/utsname.h>

namespace ivshmem {
namespace {

constexpr std::size_t most_modules = 16U << 20U; ///< bytes; Debian's list has half a million

std::string read(const std::string& prefix, std::string_view path) {
    failure unreadable;
    return sysfs_dir{prefix}.text(path, unreadable).value_or("");
}

std::vector<std::string> list(const std::string& prefix, std::string_view path) {
    failure unreadable;
    return sysfs_dir{prefix}.dir(path).entries(unreadable).value_or(std::vector<std::string>{});
}

bool any_begins(const std::vector<std::string>& names, std::string_view stem) {
    return std::any_of(names.begin(), names.end(),
                       [&](const auto& name) { return name.starts_with(stem); });
}

std::string normal(std::string_view name) {
    std::string result{name};
    std::replace(result.begin(), result.end(), '-', '_');
    return result;
}

/// Returns whether a line "kernel/drivers/vfio/pci/vfio-pci.ko.xz: ..." is about this module.
bool is_about(std::string_view line, const std::string& name) {
    const auto file = line.substr(0, line.find(':'));
    const auto base = file.substr(file.rfind('/') + 1);
    return normal(base.substr(0, base.find('.'))) == name;
}

bool lists(std::string_view content, const std::string& name) {
    while (!content.empty()) {
        const auto end = content.find('\n');
        if (is_about(content.substr(0, end), name))
            return true;
        content.remove_prefix(end == std::string_view::npos ? content.size() : end + 1);
    }
    return false;
}

std::string architecture(const std::string& prefix) {
    // Linux 6.1 and later.
    if (auto text = read(prefix, "proc/sys/kernel/arch"); !text.empty())
        return text;
    utsname names{};
    return prefix.empty() && ::uname(&names) == 0 ? std::string{&names.machine[0]} : std::string{};
}

/// Returns the word in brackets of "none [integrity] confidentiality".
std::string lockdown(const std::string& text) {
    const auto begin = text.find('[');
    const auto end = text.find(']');
    return begin == std::string::npos || end == std::string::npos || end < begin
               ? std::string{}
               : text.substr(begin + 1, end - begin - 1);
}

/// Returns whether the machine has a function 1af4:1057, the virtio-iommu (virtio 1.2, 5.13).
bool has_virtio_iommu(const std::string& prefix) {
    const std::string devices = "sys/bus/pci/devices/";
    const auto names = list(prefix, devices);
    return std::any_of(names.begin(), names.end(), [&](const auto& name) {
        return read(prefix, devices + name + "/vendor") == "0x1af4" &&
               read(prefix, devices + name + "/device") == "0x1057";
    });
}

void read_iommu(const std::string& prefix, machine_info& to) {
    const auto used = list(prefix, "sys/class/iommu");
    const auto tables = list(prefix, "sys/firmware/acpi/tables");
    to.iommu_in_use = !used.empty();
    if (any_begins(used, "dmar") || any_begins(tables, "DMAR"))
        to.iommu = iommu_kind::intel;
    else if (any_begins(used, "ivhd") || any_begins(tables, "IVRS"))
        to.iommu = iommu_kind::amd;
    else if (any_begins(used, "smmu") || any_begins(used, "arm-smmu"))
        to.iommu = iommu_kind::smmu;
    else if (any_begins(used, "virtio") || any_begins(tables, "VIOT") || has_virtio_iommu(prefix))
        to.iommu = iommu_kind::virtio;
    else if (to.iommu_in_use)
        to.iommu = iommu_kind::unspecified;
}

bool is_read_only(const std::string& prefix) {
    struct statvfs status {};
    return prefix.empty() && ::statvfs("/sys", &status) == 0 && (status.f_flag & ST_RDONLY) != 0;
}

} // namespace

module_state find_module(const std::string& prefix, std::string_view name) {
    const auto wanted = normal(name);
    const sysfs_dir root{prefix};
    if (root.has("sys/module/" + wanted))
        return module_state::present;
    const auto folder = root.dir("lib/modules").dir(read(prefix, "proc/sys/kernel/osrelease"));
    bool readable = false;
    for (const auto& [file, found] : {std::pair{"modules.builtin", module_state::present},
                                      std::pair{"modules.dep", module_state::installed}}) {
        failure unreadable;
        const auto content = folder.bytes(file, most_modules, unreadable);
        readable = readable || content.has_value();
        if (content && lists(*content, wanted))
            return found;
    }
    return readable ? module_state::missing : module_state::unknown;
}

machine_info read_machine(const std::string& prefix) {
    machine_info result;
    result.architecture = architecture(prefix);
    result.model = read(prefix, "sys/class/dmi/id/product_name");
    result.kernel_parameters = read(prefix, "proc/cmdline");
    read_iommu(prefix, result);
    result.lockdown = lockdown(read(prefix, "sys/kernel/security/lockdown"));
    result.igb_uio = find_module(prefix, "igb_uio");
    result.igb_uio_mode = read(prefix, "sys/module/igb_uio/parameters/intr_mode");
    result.virtio_iommu = find_module(prefix, "virtio_iommu");
    result.noiommu_allowed =
        read(prefix, "sys/module/vfio/parameters/enable_unsafe_noiommu_mode") == "Y";
    const auto system = read(prefix, "etc/os-release");
    result.has_apt = system.empty() || system.find("debian") != std::string::npos;
    result.read_only_sysfs = is_read_only(prefix);
    return result;
}

} // namespace ivshmem
