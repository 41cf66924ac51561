// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/no_iommu.hpp"

#include "common/print.hpp"
#include "setup/cached_range.hpp"
#include "setup/kernel_config.hpp"
#include "setup/kernel_module.hpp"
#include "text_file.hpp"

#include <ivshmem/diagnosis.hpp>

#include <algorithm>
#include <stdexcept>
#include <system_error>

namespace ivshmemctl {
namespace {

namespace fs = std::filesystem;
using ivshmem::device_info;

constexpr const char* parameter = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";
constexpr const char* off = "N";

/// Records that bind switched the mode on: the line that switches it off.
std::string record_path() {
    return tools::format("{}/no-iommu", records_folder);
}

operation set_mode(const char* value) {
    auto write = write_line(parameter, value);
    return {write.shell, [perform = write.perform](blocked_signals& stop) {
                if (!exists("/", parameter))
                    throw std::runtime_error{
                        tools::format("{}: no such parameter: the kernel has no no-IOMMU mode "
                                      "(CONFIG_VFIO_NOIOMMU is not set)",
                                      parameter)};
                perform(stop);
            }};
}

/// Returns whether a device that is not one of these is in a no-IOMMU group.
bool others_use_it(std::span<const device_info> released, const fs::path& root) {
    std::error_code ec;
    for (const auto& group : fs::directory_iterator{root / "sys/kernel/iommu_groups", ec}) {
        if (read_text(group.path() / "name") != "vfio-noiommu")
            continue;
        for (const auto& member : fs::directory_iterator{group.path() / "devices", ec})
            if (std::none_of(released.begin(), released.end(), [&](const auto& device) {
                    return to_string(device.address) == member.path().filename();
                }))
                return true;
    }
    return false;
}

} // namespace

no_iommu_mode find_no_iommu_mode(const fs::path& root) {
    if (const auto value = read_text(root / &parameter[1]))
        return *value == off ? no_iommu_mode::off : no_iommu_mode::on;
    if (exists(root, "/sys/module/vfio"))
        return no_iommu_mode::missing;
    const kernel_config config{root};
    if (!config.known())
        return no_iommu_mode::unknown;
    return config.has("VFIO_NOIOMMU") ? no_iommu_mode::off : no_iommu_mode::missing;
}

std::string why_not_without_iommu(const device_info& device, const fs::path& root) {
    if ((device.iommu_group && !device.noiommu) || device.machine.groups_when_bound())
        return "--no-iommu: the machine has an IOMMU for it, with which vfio-pci is safe; leave "
               "the option out";
    if (find_no_iommu_mode(root) == no_iommu_mode::missing)
        return tools::format("--no-iommu: the kernel {} has no no-IOMMU mode (CONFIG_VFIO_NOIOMMU "
                             "is not set, as in all of Debian's); try: {}",
                             kernel_release(root), diagnose(device).driver_remedy);
    return {};
}

void add_no_iommu(transaction& plan, const fs::path& root) {
    const auto on = set_mode("Y");
    if (find_no_iommu_mode(root) == no_iommu_mode::on || plan.has(on))
        return;
    plan.add(make_file(record_path(), off), {remove_file(record_path())});
    plan.add(on, {set_mode(off)});
}

void add_no_iommu_end(transaction& plan, std::span<const device_info> released,
                      const fs::path& root) {
    if (!exists(root, record_path()) || others_use_it(released, root))
        return;
    if (find_no_iommu_mode(root) == no_iommu_mode::on)
        plan.add(set_mode(off), {set_mode("Y")});
    plan.add(remove_file(record_path()), {make_file(record_path(), off)});
}

std::string cost_of_no_iommu(const device_info& device) {
    return tools::format(
        "{}: bound without an IOMMU: a program that uses it needs CAP_SYS_RAWIO, whatever the mode "
        "of its node, and can use all memory of this machine; {} is Y for the whole system until "
        "unbind; the kernel is tainted until the next boot",
        to_string(device.address), parameter);
}

} // namespace ivshmemctl
