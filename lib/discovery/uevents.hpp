// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

#include <memory>

struct udev;
struct udev_monitor;

namespace ivshmem {

/// Reports that PCI devices, or their VFIO and UIO devices, have changed: receives the kernel's
/// events from udevd after its rules have run; without udevd, from the kernel.
class uevents {
  public:
    static uevents open(failure& f);

    [[nodiscard]] int fd() const noexcept;
    /// Takes the pending events. Never blocks.
    /// @return Whether there were any, including events lost to a full buffer (ENOBUFS).
    bool take(failure& f);

  private:
    struct closer {
        void operator()(udev* context) const noexcept;
        void operator()(udev_monitor* monitor) const noexcept;
    };

    std::unique_ptr<udev, closer> context_; ///< outlives the monitor
    std::unique_ptr<udev_monitor, closer> monitor_;
};

} // namespace ivshmem
