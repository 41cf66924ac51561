// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

#include <memory>

struct udev;
struct udev_monitor;

namespace ivshmem {

/// Tells that something has happened to PCI devices, or to what VFIO and UIO make of them: the
/// kernel's events, as udevd passes them on when its rules are done; where no udevd runs, as the
/// kernel sends them.
class uevents {
  public:
    static uevents open(failure& f);

    [[nodiscard]] int fd() const noexcept;
    /// Takes the events that wait. Never blocks.
    /// @return Whether there were any, be they lost because there were too many.
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
