// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/device_changes.hpp"

#include "discovery/sysfs.hpp"

#include <algorithm>
#include <utility>

namespace ivshmem {

namespace {

using kind = device_change::kind;

/// Returns whether the device is complete. Linux announces a device before it assigns addresses and
/// creates the files of its BARs, and removes the files before it announces the removal.
bool is_settled(const device_info& device) {
    const auto& registers = device.bars[0];
    const auto& memory = device.bars[2];
    return registers.present() && device.resource0 &&
           memory.present() == device.resource2.has_value() &&
           ((registers.flags | memory.flags) & resource_unset) == 0;
}

/// Returns whether there is nothing to report. Ignores fields that change when a device is merely
/// opened.
bool is_same(const device_info& before, device_info now) {
    now.enabled = before.enabled;
    now.problems = before.problems;
    now.machine = before.machine;
    return now == before;
}

} // namespace

void device_changes::look(std::vector<device_sighting> found, bool insist) {
    unsettled_ = false;
    report_removed(found);
    for (auto& seen : found) {
        if (insist || is_settled(seen.device))
            report(std::move(seen));
        else
            unsettled_ = true;
    }
}

void device_changes::report_removed(const std::vector<device_sighting>& found) {
    for (auto place = reported_.begin(); place != reported_.end();) {
        const auto is_it = [&](const device_sighting& seen) {
            return seen.device.address == place->first && seen.identity == place->second.identity;
        };
        if (std::none_of(found.begin(), found.end(), is_it)) {
            pending_.push_back({kind::removed, std::move(place->second.device)});
            place = reported_.erase(place);
        } else {
            ++place;
        }
    }
}

void device_changes::report(device_sighting seen) {
    const auto place = reported_.find(seen.device.address);
    if (place == reported_.end()) {
        pending_.push_back({kind::added, seen.device});
        reported_.emplace(seen.device.address, std::move(seen));
        return;
    }
    auto& before = place->second.device;
    if (!is_same(before, seen.device))
        pending_.push_back({kind::changed, seen.device});
    before = std::move(seen.device);
}

std::optional<device_change> device_changes::next() {
    if (pending_.empty())
        return std::nullopt;
    auto change = std::move(pending_.front());
    pending_.pop_front();
    return change;
}

} // namespace ivshmem
