// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_change.hpp>
#include <ivshmem/error.hpp>
#include <ivshmem/export.hpp>

#include <memory>
#include <optional>
#include <system_error>

namespace ivshmem {

/// Reports the ivshmem devices (as discover() finds them), and each change: hot-plug, removal,
/// another driver, other permissions of their nodes.
///
/// Devices that are present are reported first, as added, so a program that waits for a device need
/// not call discover(). Each report is a difference from the last reported state. A program that
/// reads late sees the present state, not every step in between. A device that was removed and came
/// back is reported as removed, then as added, because it is another one.
///
/// A device is not reported before the kernel has given it its BARs, or three seconds have passed.
/// Its nodes, and the permissions that udevd gives them, may come later, as a change. A change of
/// permissions that udevd did not make is noticed only with the next other change.
///
/// A request to remove a device is not reported here: the device itself reports it to the program
/// that has it open (event::kind::removal_requested, errc::device_removed). A device that is bound
/// to vfio-pci is removed only after that program has closed it; any other goes away at once.
///
/// Needs no privilege. In a container it works if the network namespace is the host's; otherwise
/// only the devices that are present at first are reported.
///
/// After fork() the monitor belongs to the parent.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
class IVSHMEM_API device_monitor {
  public:
    /// A closed monitor.
    device_monitor() noexcept;
    device_monitor(device_monitor&& other) noexcept;
    device_monitor& operator=(device_monitor&& other) noexcept;
    device_monitor(const device_monitor&) = delete;
    device_monitor& operator=(const device_monitor&) = delete;
    /// As close().
    ~device_monitor();

    /// Starts watching.
    /// @throws error errc::descriptor_limit, or a system error if the kernel's events cannot be
    ///         received (socket(2), AF_NETLINK).
    [[nodiscard]] static device_monitor open();
    [[nodiscard]] static device_monitor open(std::error_code& ec);

    [[nodiscard]] bool is_open() const noexcept { return impl_ != nullptr; }
    void close() noexcept;

    /// A descriptor that polls readable (POLLIN) when next() must be called; at first it does. It
    /// belongs to the monitor: do not read or close it. It may become readable with nothing to
    /// report. -1 if the monitor is closed.
    [[nodiscard]] int fd() const noexcept;

    /// The next change; nothing if there is none now. Never blocks.
    /// @throws error errc::closed, errc::forked; as discover() if the devices cannot be looked
    ///         at: nothing is lost by that, and fd() becomes readable for another try.
    std::optional<device_change> next();
    std::optional<device_change> next(std::error_code& ec);

  private:
    class IVSHMEM_HIDDEN impl;

    explicit device_monitor(std::unique_ptr<impl> opened) noexcept;

    std::unique_ptr<impl> impl_;
};

} // namespace ivshmem
