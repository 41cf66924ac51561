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

/// What was reported of the devices, and what is to be reported now.
///
/// The kernel's events are numbered, and may be heard of late, after a look has shown what came of
/// them.
class device_changes {
  public:
    /// A device was removed, says the event of this number.
    void removed(const pci_address& address, std::uint64_t event);

    /// What is there, looked at after the event of this number was sent. Devices that are coming or
    /// going are left as they were reported, unless `insist`.
    void look(std::vector<device_info> found, std::uint64_t event, bool insist);

    /// Whether the last look left devices out, and another one is needed.
    [[nodiscard]] bool unsettled() const noexcept { return unsettled_; }
    [[nodiscard]] bool empty() const noexcept { return pending_.empty(); }
    std::optional<device_change> next();

  private:
    struct reported {
        device_info device;
        std::uint64_t since; ///< removals up to this event were those of an earlier device
    };

    void report_absent(const std::vector<device_info>& found);
    void report(device_info device, std::uint64_t event);

    std::map<pci_address, reported> reported_;
    std::deque<device_change> pending_;
    bool unsettled_ = false;
};

} // namespace ivshmem
