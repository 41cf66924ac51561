// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_change.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace ivshmem {

/// A device as discover() found it.
struct device_sighting {
    device_info device;
    /// Differs for a device that was removed and came back, even if nothing else does.
    std::uint64_t identity = 0;
};

/// Compares the devices with those that were reported, and returns the changes.
class device_changes {
  public:
    /// Takes the present devices. Skips devices that are being added or removed, unless `insist`.
    void look(std::vector<device_sighting> found, bool insist);

    /// Returns whether the last update skipped devices, so that another one is needed.
    [[nodiscard]] bool unsettled() const noexcept { return unsettled_; }
    [[nodiscard]] bool empty() const noexcept { return pending_.empty(); }
    std::optional<device_change> next();

  private:
    void report_removed(const std::vector<device_sighting>& found);
    void report(device_sighting seen);

    std::map<pci_address, device_sighting> reported_;
    std::deque<device_change> pending_;
    bool unsettled_ = false;
};

} // namespace ivshmem
