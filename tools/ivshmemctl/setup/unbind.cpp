// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "setup/binding.hpp"
#include "setup/holders.hpp"
#include "setup/no_iommu.hpp"
#include "setup/rebind.hpp"
#include "setup/select_devices.hpp"
#include "subcommands.hpp"
#include "text_file.hpp"

#include <ivshmem/discovery.hpp>

#include <memory>
#include <stdexcept>

namespace ivshmemctl {
namespace {

constexpr const char* unbind_footer = R"(
unbind takes each device from its driver, whichever it is, and clears its driver_override. It undoes
the rest of "ivshmemctl bind" too: it deletes the udev rule of --persist, restores the MTRR range of
--cached, disables the memory that --driver none enabled, and switches off the mode of --no-iommu
unless another device is still bound so. Modules stay loaded. A device that a program has open is
not changed, and the program is named.

Examples:
  ivshmemctl unbind 00:04.0
  ivshmemctl unbind --dry-run            print the shell commands instead)";

int unbind(const rebind_options& o, const common_options& common) {
    const std::filesystem::path root = common.sysroot;
    const auto devices = select_devices(ivshmem::discover(common.sysroot), o.devices, common);
    transaction plan;
    for (const auto& device : devices) {
        const auto reason = root == "/" ? why_in_use(device) : "";
        if (!reason.empty())
            throw std::runtime_error{to_string(device.address) + ": " + reason};
        add_unbinding(plan, device, root);
    }
    add_no_iommu_end(plan, devices, root);
    if (plan.empty() && o.dry_run)
        complain("nothing to do: the devices are already as requested");
    if (!plan.empty())
        carry_out(plan, o, common, "unbind");
    if (o.dry_run)
        return tools::exit_success;
    print_bound(devices, common);
    for (const auto& device : devices)
        if (const auto name = to_string(device.address);
            !common.quiet && read_text(root / ("etc/driverctl.d/pci-" + name)))
            complain(tools::format("{0}: driverctl binds it again at the next boot; to stop that: "
                                   "driverctl unset-override {0}",
                                   name));
    return tools::exit_success;
}

} // namespace

void add_unbind(subcommands& line) {
    auto o = std::make_shared<rebind_options>();
    auto sub = line.add("unbind", "undo what bind did; leave no driver bound");
    sub.footer(unbind_footer);
    sub.add_option({"DEVICE", "", "the devices (default: the only one)"}, o->devices);
    sub.add_flag("--dry-run", o->dry_run, "print the shell commands and do nothing");
    sub.set_action([o](const common_options& common) { return unbind(*o, common); });
}

} // namespace ivshmemctl
