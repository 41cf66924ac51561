// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "failure.hpp"

#include <ivshmem/pci_address.hpp>

#include <cstdint>
#include <memory>
#include <optional>

struct udev;
struct udev_monitor;

namespace ivshmem {

/// What the kernel tells of devices, as udevd passes it on when its rules are done; where no udevd
/// runs, from the kernel itself. PCI devices, and what VFIO and UIO make of them.
class uevents {
  public:
    struct uevent {
        std::uint64_t number = 0;
        std::optional<pci_address> removed{}; ///< a PCI device that went away
    };
    enum class outcome {
        got,  ///< an event
        none, ///< there is none now
        lost, ///< there were too many: some are missing
    };

    static uevents open(failure& f);

    [[nodiscard]] int fd() const noexcept;
    /// Never blocks; f is set only where the outcome is none.
    outcome next(uevent& event, failure& f);

    /// The number of the last event that the kernel has sent; 0 where it does not tell.
    [[nodiscard]] static std::uint64_t last_number();

  private:
    struct closer {
        void operator()(udev* context) const noexcept;
        void operator()(udev_monitor* monitor) const noexcept;
    };

    std::unique_ptr<udev, closer> context_; ///< outlives the monitor
    std::unique_ptr<udev_monitor, closer> monitor_;
};

} // namespace ivshmem
