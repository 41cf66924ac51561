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

/// A device as a look found it.
struct device_sighting {
    device_info device;
    /// Another one for a device that was removed and came back, whatever else is the same.
    std::uint64_t identity = 0;
};

/// What was reported of the devices, and what is to be reported now.
class device_changes {
  public:
    /// What is there. Devices that are coming or going are left as they were reported, unless
    /// `insist`.
    void look(std::vector<device_sighting> found, bool insist);

    /// Whether the last look left devices out, and another one is needed.
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
