// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/vfio_device.hpp"
#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <ivshmem/event.hpp>

#include <array>
#include <atomic>
#include <optional>
#include <string>

namespace ivshmem {

/// The interrupts of vfio-pci that are events: the request to give the device back (REQ), and an
/// error of the device (ERR).
class vfio_events {
  public:
    void set_up(const vfio_device& device, const std::string& name, failure& f);

    /// Polls readable once the device is requested back.
    [[nodiscard]] int removal_fd() const noexcept { return removal_.get(); }
    [[nodiscard]] std::array<int, 2> fds() const noexcept { return {removal_.get(), error_.get()}; }
    /// Fails if the device is requested back.
    void check_removal(failure& f) const;
    /// Returns the next event; fails after the last.
    std::optional<event> next(failure& f);

  private:
    [[nodiscard]] bool removal_requested() const noexcept;

    std::string name_;
    unique_fd removal_; ///< never drained, so that it stays readable
    unique_fd error_;   ///< not signalled if the device has no such interrupt
    std::atomic<bool> removal_reported_ = false;
};

} // namespace ivshmem
