// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "setup/bindable.hpp"
#include "setup/binding.hpp"
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

using ivshmem::device_info;

constexpr const char* bind_footer = R"(
The default driver is vfio-pci if the device has an IOMMU group (interrupts on every vector), else
igb_uio if its module is installed (interrupts on vector 0). Without either, bind fails and changes
nothing. A plain device keeps a driver that works; otherwise its default is none. uio_pci_generic
gives memory and doorbell, and interrupts too on ACRN's kernel and with INTx. none leaves the device
without a driver and enables its memory, for the files resource* in sysfs.

bind loads the module (igb_uio with intr_mode=msix wc_activate=1), sets the device's driver_override
and waits for the device's node. It checks all devices before it changes the first. A failure or
Ctrl-C undoes all changes; unbind undoes a successful bind.

--persist writes /etc/udev/rules.d/61-ivshmemctl-ADDRESS.rules.

--no-iommu binds vfio-pci in a VM without a vIOMMU: interrupts on every vector. It needs a kernel
with VFIO's no-IOMMU mode, which Ubuntu's, Fedora's and RHEL's have and Debian's have not. It is
unsafe: a program that uses the device can use all memory of the machine, and needs CAP_SYS_RAWIO
whatever the mode of the node. It sets /sys/module/vfio/parameters/enable_unsafe_noiommu_mode for
the whole system; unbind, or bind with another driver, sets it back if no other device is bound so.
The kernel is tainted until the next boot.

--cached changes the whole system. Firmware may have marked the addresses of the shared memory as
uncachable in an MTRR. bind drops that range from /proc/mtrr until unbind or the next boot, so that
root can map the memory write-back through /dev/mem. Other devices in the range are no longer
protected from cached mappings; their drivers request none.

Examples:
  ivshmemctl bind                        bind the only device to the best driver
  ivshmemctl bind --dry-run 00:04.0      print the shell commands instead
  ivshmemctl bind --driver vfio-pci --persist 00:04.0 00:05.0
  ivshmemctl bind --no-iommu 00:04.0     without a vIOMMU, on a kernel that can)";

struct options {
    rebind_options common;
    binding wanted;
};

/// Returns the driver that the library's diagnosis names; throws if it names none.
std::string default_driver(const device_info& device) {
    const auto verdict = diagnose(device);
    if (!verdict.driver.empty())
        return verdict.driver;
    const auto name = to_string(device.address);
    if (verdict.driver_remedy.empty())
        throw std::runtime_error{tools::format("{}: {}", name, verdict.problem)};
    if (device.generation == ivshmem::device_generation::v2) // no driver is no way to use it
        throw std::runtime_error{
            tools::format("{}: {}; try: {}", name, verdict.problem, verdict.driver_remedy)};
    throw std::runtime_error{
        tools::format("{}: no driver of this machine delivers its interrupts; try: {}; or, for "
                      "memory without interrupts: --driver none",
                      name, verdict.driver_remedy)};
}

/// Decides how to bind each device. Throws if one cannot be bound, before any is changed.
std::vector<binding> decide(const options& o, const std::vector<device_info>& devices,
                            const std::filesystem::path& root) {
    std::vector<binding> result;
    for (const auto& device : devices) {
        const auto name = to_string(device.address);
        auto wanted = o.wanted;
        if (wanted.driver.empty())
            wanted.driver = default_driver(device);
        if (const auto reason = why_not_bindable(device, wanted, devices, root); !reason.empty())
            throw std::runtime_error{
                tools::format("{}: cannot be bound to {}: {}", name, wanted.driver, reason)};
        result.push_back(wanted);
    }
    return result;
}

/// Returns the devices as they are now.
std::vector<device_info> look_again(std::vector<device_info> devices,
                                    const std::filesystem::path& root) {
    const auto all = ivshmem::discover(root).devices;
    for (auto& device : devices)
        for (const auto& now : all)
            if (now.address == device.address)
                device = now;
    return devices;
}

/// Returns the devices that lose a driver that has them without an IOMMU.
std::vector<device_info> released(const std::vector<device_info>& devices,
                                  const std::vector<binding>& wanted) {
    std::vector<device_info> result;
    for (std::size_t i = 0; i < devices.size(); ++i)
        if (devices[i].noiommu && wanted[i].driver != "vfio-pci")
            result.push_back(devices[i]);
    return result;
}

void remark(const std::vector<device_info>& bound, const std::vector<binding>& wanted,
            const std::filesystem::path& root) {
    for (std::size_t i = 0; i < bound.size(); ++i) {
        const auto name = to_string(bound[i].address);
        if (bound[i].noiommu && wanted[i].no_iommu)
            complain(cost_of_no_iommu(bound[i]));
        const auto path = udev_rule_path(bound[i].address);
        const auto rule = read_text(root / path.substr(1));
        if (rule && *rule != udev_rule(bound[i], wanted[i].driver))
            complain(tools::format("{}: {} still binds it to another driver at the next boot", name,
                                   path));
        const auto verdict = diagnose_bound(bound[i], wanted[i].driver, bound);
        if (!verdict.problem.empty() && wanted[i].driver != "none")
            complain(tools::format("{}: {}{}{}", name, verdict.problem,
                                   verdict.remedy.empty() ? "" : "; try: ", verdict.remedy));
    }
}

int bind(const options& o, const common_options& common) {
    const std::filesystem::path root = common.sysroot;
    const auto devices =
        select_devices(ivshmem::discover(common.sysroot), o.common.devices, common);
    const auto wanted = decide(o, devices, root);
    transaction plan;
    for (std::size_t i = 0; i < devices.size(); ++i)
        add_binding(plan, devices[i], wanted[i], root);
    if (const auto free = released(devices, wanted); !free.empty())
        add_no_iommu_end(plan, free, root);
    if (plan.empty() && o.common.dry_run)
        complain("nothing to do: the devices are already as requested");
    if (!plan.empty())
        carry_out(plan, o.common, common, "bind");
    if (o.common.dry_run)
        return tools::exit_success;
    print_bound(devices, common);
    if (!common.quiet)
        remark(look_again(devices, root), wanted, root);
    return tools::exit_success;
}

} // namespace

void add_bind(subcommands& line) {
    auto o = std::make_shared<options>();
    auto sub = line.add("bind", "bind devices to the driver that makes them work");
    sub.footer(bind_footer);
    sub.add_option({"DEVICE", "", "the devices (default: the only one)"}, o->common.devices);
    sub.add_option({"--driver", "DRIVER", "vfio-pci, igb_uio, uio_pci_generic or none"},
                   [o](const std::string& name) {
                       if (name != "vfio-pci" && name != "igb_uio" && name != "uio_pci_generic" &&
                           name != "none")
                           throw usage_error{
                               "--driver: takes vfio-pci, igb_uio, uio_pci_generic or none"};
                       o->wanted.driver = name;
                   });
    sub.add_flag("--persist", o->wanted.persist, "also bind after each boot");
    sub.add_flag("--cached", o->wanted.cached,
                 "make a write-back mapping possible; changes the whole system");
    sub.add_flag("--no-iommu", o->wanted.no_iommu,
                 "vfio-pci without a vIOMMU; unsafe, changes the whole system");
    sub.add_flag("--dry-run", o->common.dry_run, "print the shell commands and do nothing");
    sub.set_action([o](const common_options& common) {
        if (o->wanted.persist && o->wanted.driver == "none")
            throw usage_error{"--persist: needs a driver, not none"};
        if (o->wanted.no_iommu && !o->wanted.driver.empty() && o->wanted.driver != "vfio-pci")
            throw usage_error{"--no-iommu: the driver is vfio-pci"};
        if (o->wanted.no_iommu && o->wanted.persist)
            throw usage_error{"--no-iommu: lasts until the next boot; for --persist, put \"options "
                              "vfio enable_unsafe_noiommu_mode=1\" into /etc/modprobe.d, and leave "
                              "--no-iommu out"};
        if (o->wanted.no_iommu)
            o->wanted.driver = "vfio-pci";
        return bind(*o, common);
    });
}

} // namespace ivshmemctl
