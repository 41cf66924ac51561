// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/binding.hpp"

#include "common/print.hpp"
#include "setup/cached_range.hpp"
#include "setup/kernel_module.hpp"
#include "setup/no_iommu.hpp"
#include "text_file.hpp"

namespace ivshmemctl {
namespace {

using ivshmem::device_info;

std::string device_file(const device_info& device, const char* name) {
    return tools::format("/sys/bus/pci/devices/{}/{}", to_string(device.address), name);
}

std::string driver_file(const std::string& driver, const char* name) {
    return tools::format("/sys/bus/pci/drivers/{}/{}", driver, name);
}

std::string enabled_record(const device_info& device) {
    return tools::format("{}/{}.enabled", records_folder, to_string(device.address));
}

std::string override_of(const device_info& device, const std::filesystem::path& root) {
    const auto text = read_text(root / device_file(device, "driver_override").substr(1));
    return !text || *text == "(null)" ? "" : *text;
}

operation set_override(const device_info& device, const std::string& driver) {
    return write_line(device_file(device, "driver_override"), driver);
}

/// Unbinds the device from its driver, or disables the memory that `bind --driver none` enabled.
void add_release(transaction& plan, const device_info& device, const std::string& override,
                 const std::filesystem::path& root) {
    const auto name = to_string(device.address);
    if (const auto record = enabled_record(device); exists(root, record)) {
        plan.add(remove_file(record), {make_file(record, name)});
        if (device.enabled && device.driver.empty())
            plan.add(write_line(device_file(device, "enable"), "0"),
                     {write_line(device_file(device, "enable"), "1")});
    }
    if (!device.driver.empty())
        plan.add(write_line(driver_file(device.driver, "unbind"), name),
                 {set_override(device, device.driver),
                  write_line(driver_file(device.driver, "bind"), name),
                  set_override(device, override)});
}

void add_override(transaction& plan, const device_info& device, const std::string& now,
                  const std::string& wanted) {
    if (now != wanted)
        plan.add(set_override(device, wanted), {set_override(device, now)});
}

void add_module(transaction& plan, const binding& wanted, const std::filesystem::path& root) {
    for (const auto& module : wanted.driver == "vfio-pci" && !wanted.no_iommu
                                  ? std::vector<std::string>{"vfio-pci", "vfio_iommu_type1"}
                                  : std::vector<std::string>{wanted.driver})
        if (const auto load = command_line(modprobe_words(module));
            find_module(root, module) != module_state::present && !plan.has(load))
            plan.add(load, {command_line({"rmmod", module})});
}

/// Returns the device's node as a word of a shell command.
std::string node_of(const device_info& device, const std::string& driver) {
    if (driver != "vfio-pci")
        return tools::format("/dev/$(ls {})", device_file(device, "uio"));
    if (device.iommu_group && !device.noiommu)
        return tools::format("/dev/vfio/{}", *device.iommu_group);
    return tools::format("/dev/vfio/{}$(basename $(readlink {}))",
                         device.machine.groups_when_bound() ? "" : "noiommu-",
                         device_file(device, "iommu_group"));
}

void add_change(transaction& plan, const device_info& device, const binding& wanted,
                const std::filesystem::path& root) {
    const auto& driver = wanted.driver;
    const auto name = to_string(device.address);
    const auto override = override_of(device, root);
    if (driver == "none") {
        add_release(plan, device, override, root);
        add_override(plan, device, override, "");
        plan.add(write_line(device_file(device, "enable"), "1"),
                 {write_line(device_file(device, "enable"), "0")});
        plan.add(make_file(enabled_record(device), name), {remove_file(enabled_record(device))});
        return;
    }
    add_module(plan, wanted, root);
    if (wanted.no_iommu)
        add_no_iommu(plan, root);
    add_release(plan, device, override, root);
    add_override(plan, device, override, driver);
    plan.add(write_line(driver_file(driver, "bind"), name),
             {write_line(driver_file(driver, "unbind"), name)});
    plan.add(wait_for_node(device.address, node_of(device, driver)));
}

void add_rule(transaction& plan, const device_info& device, const std::string& driver,
              const std::filesystem::path& root) {
    const auto path = udev_rule_path(device.address);
    const auto now = read_text(root / path.substr(1));
    const auto wanted = udev_rule(device, driver);
    if (now != wanted)
        plan.add(make_file(path, wanted), {now ? make_file(path, *now) : remove_file(path)});
}

} // namespace

std::string udev_rule_path(const ivshmem::pci_address& address) {
    return tools::format("/etc/udev/rules.d/61-ivshmemctl-{}.rules", to_string(address));
}

std::string udev_rule(const device_info& device, const std::string& driver) {
    std::string load;
    for (const auto& word : modprobe_words(driver))
        load += (load.empty() ? "/sbin/" : " ") + word;
    const auto name = to_string(device.address);
    return tools::format("# Made by ivshmemctl bind --persist; ivshmemctl unbind deletes it.\n"
                         "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"{}\", "
                         "ATTR{{vendor}}==\"{:#06x}\", ATTR{{device}}==\"{:#06x}\", "
                         "ATTR{{driver_override}}=\"{}\", RUN+=\"{}\", "
                         "RUN+=\"/bin/sh -c 'echo {} >/sys/bus/pci/drivers_probe'\"",
                         name, device.vendor, device.device, driver, load, name);
}

std::vector<std::string> modprobe_words(const std::string& driver) {
    // Without wc_activate igb_uio maps BAR2 uncached, which makes all other mappings uncached.
    if (driver == "igb_uio")
        return {"modprobe", "igb_uio", "intr_mode=msix", "wc_activate=1"};
    return {"modprobe", driver};
}

bool is_bound(const device_info& device, const std::string& driver) {
    return driver == "none" ? device.driver.empty() && device.enabled : device.driver == driver;
}

void add_binding(transaction& plan, const device_info& device, const binding& wanted,
                 const std::filesystem::path& root) {
    if (!is_bound(device, wanted.driver))
        add_change(plan, device, wanted, root);
    if (wanted.cached)
        add_cached(plan, device, root);
    if (wanted.persist)
        add_rule(plan, device, wanted.driver, root);
}

void add_unbinding(transaction& plan, const device_info& device,
                   const std::filesystem::path& root) {
    const auto rule = udev_rule_path(device.address);
    if (const auto text = read_text(root / rule.substr(1)))
        plan.add(remove_file(rule), {make_file(rule, *text)});
    const auto override = override_of(device, root);
    add_release(plan, device, override, root);
    add_override(plan, device, override, "");
    add_uncached(plan, device, root);
}

} // namespace ivshmemctl
