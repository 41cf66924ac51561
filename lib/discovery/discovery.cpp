// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/discovery.hpp"

#include "base/twins.hpp"
#include "discovery/device_reader.hpp"
#include "discovery/machine.hpp"
#include "discovery/sysfs.hpp"

#include <algorithm>
#include <utility>

namespace ivshmem {
namespace {

constexpr const char* devices_dir = "/sys/bus/pci/devices";

/// Returns the root without a trailing slash, so that paths read "/sys/..." and "tree/sys/...".
std::string prefix_of(const std::filesystem::path& root) {
    auto prefix = root.string();
    while (!prefix.empty() && prefix.back() == '/')
        prefix.pop_back();
    return prefix.empty() && root.is_relative() ? "." : prefix;
}

/// Returns the generation for the ids; nothing for other devices and, with f set, for a device
/// whose ids cannot be read.
std::optional<device_generation> identify(const sysfs_dir& dir, failure& f) {
    const auto vendor = dir.number("vendor", 0xffff, f);
    if (!vendor || (*vendor != vendor_v1 && *vendor != vendor_v2))
        return std::nullopt;
    const auto device = dir.number("device", 0xffff, f);
    if (!device)
        return std::nullopt;
    if (*vendor == vendor_v1 && *device == device_v1)
        return device_generation::v1;
    if (*vendor == vendor_v2 && *device == device_v2)
        return device_generation::v2;
    return std::nullopt;
}

/// Returns the ids of a function that is no ivshmem device.
std::optional<pci_function> examine(const sysfs_dir& dir, const pci_address& address) {
    failure unreadable;
    const auto vendor = dir.number("vendor", 0xffff, unreadable);
    const auto device = dir.number("device", 0xffff, unreadable);
    if (!vendor || !device)
        return std::nullopt;
    return pci_function{address, static_cast<std::uint16_t>(*vendor),
                        static_cast<std::uint16_t>(*device)};
}

/// Returns whether the read failed because no descriptor was free, so that the devices are unknown.
bool is_limit(const failure& f) {
    return f.code() == errc::descriptor_limit;
}

} // namespace

discovery find_devices(const std::filesystem::path& root, failure& f) {
    discovery result;
    const auto prefix = prefix_of(root);
    const sysfs_dir all{prefix + devices_dir};
    const auto names = all.entries(f);
    if (!names && is_limit(f))
        return result;
    if (!names) {
        f.set(errc::sysfs_unavailable,
              "{}; mount sysfs there, or name the directory that holds `sys`", f.message());
        return result;
    }
    for (const auto& name : *names) {
        const auto dir = all.dir(name);
        const auto address = parse_pci_address(name);
        if (!address || to_string(*address) != name) {
            result.problems.push_back(dir.path() + ": is not named as a PCI device is");
            continue;
        }
        failure unreadable;
        if (const auto generation = identify(dir, unreadable)) {
            result.devices.push_back(device_reader{prefix, dir, *address, *generation}.read());
        } else if (is_limit(unreadable)) {
            f = std::move(unreadable);
            return {};
        } else if (unreadable && (!is_absent(unreadable) || dir.has("."))) {
            result.problems.push_back(unreadable.message());
        } else if (const auto other = examine(dir, *address)) {
            result.others.push_back(*other);
        }
    }
    if (!result.devices.empty()) {
        const auto machine = read_machine(prefix);
        for (auto& device : result.devices)
            device.machine = machine;
    }
    std::sort(result.devices.begin(), result.devices.end(),
              [](const auto& a, const auto& b) { return a.address < b.address; });
    std::sort(result.problems.begin(), result.problems.end());
    return result;
}

discovery discover(const std::filesystem::path& root) {
    return throwing([&](failure& f) { return find_devices(root, f); });
}

discovery discover(const std::filesystem::path& root, std::error_code& ec) {
    return reporting(ec, [&](failure& f) { return find_devices(root, f); });
}

} // namespace ivshmem
