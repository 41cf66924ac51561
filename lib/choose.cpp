// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "find.hpp"

#include <variant>
#include <vector>

namespace ivshmem {
namespace {

/// "0000:00:04.0 (4 MiB, vfio-pci)"
std::string describe(const device_info& device) {
    constexpr std::uint64_t mebi = 1U << 20U;
    const auto size = device.memory_size();
    const auto whole = size >= mebi;
    return formatted("{} ({} {}, {})", to_string(device.address), whole ? size / mebi : size,
                     whole ? "MiB" : "bytes", device.driver.empty() ? "no driver" : device.driver);
}

std::string describe(const std::vector<const device_info*>& devices) {
    std::string list;
    for (const auto* device : devices)
        list += (list.empty() ? "" : ", ") + describe(*device);
    return list;
}

bool matches(const selector::choice& choice, const device_info& device) {
    if (const auto* address = std::get_if<pci_address>(&choice))
        return device.address == *address;
    if (const auto* region = std::get_if<selector::region_is>(&choice))
        return device.acrn_region == region->value;
    if (const auto* size = std::get_if<selector::size_is>(&choice))
        return device.memory_size() == size->bytes;
    return std::holds_alternative<selector::any_device>(choice);
}

} // namespace

const device_info* choose_device(const selector& which, std::span<const device_info> devices,
                                 failure& f) {
    const auto& choice = which.what();
    if (std::holds_alternative<selector::server_at>(choice)) {
        f.set(errc::bad_selector,
              "{}: is a server and no PCI device; open it with the server "
              "backend",
              which.text());
        return nullptr;
    }
    std::vector<const device_info*> found;
    if (const auto* index = std::get_if<selector::index_is>(&choice)) {
        if (index->value < devices.size())
            found.push_back(&devices[index->value]);
    } else {
        for (const auto& device : devices)
            if (matches(choice, device))
                found.push_back(&device);
    }
    if (found.size() == 1)
        return found.front();
    if (found.size() > 1) {
        f.set(errc::device_ambiguous, "{}: {} devices match: {}; name one by its address",
              which.text(), found.size(), describe(found));
        return nullptr;
    }
    std::vector<const device_info*> all;
    for (const auto& device : devices)
        all.push_back(&device);
    if (all.empty())
        f.set(errc::device_not_found,
              "{}: this machine has no ivshmem device; give the VM one (QEMU: -device "
              "ivshmem-plain or ivshmem-doorbell)",
              which.text());
    else
        f.set(errc::device_not_found, "{}: no such ivshmem device; there is {}", which.text(),
              describe(all));
    return nullptr;
}

const device_info& selector::choose(std::span<const device_info> devices) const {
    failure f;
    const auto* device = choose_device(*this, devices, f);
    f.raise();
    return *device;
}

const device_info* selector::choose(std::span<const device_info> devices,
                                    std::error_code& ec) const {
    failure f;
    const auto* device = choose_device(*this, devices, f);
    ec = f.code();
    return device;
}

} // namespace ivshmem
