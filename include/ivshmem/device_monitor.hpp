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

/// Tells which ivshmem devices (as discover() finds them) there are, and what becomes of them:
/// hot-plug, removal, another driver, other permissions of their nodes.
///
/// The devices that are there already are the first to be reported as added: who waits for a device
/// need not look for it elsewhere, and misses none. What is reported are differences to what was
/// reported before, each once: who looks late learns how things are, not all that happened. Only a
/// device that was removed and came back meanwhile is removed, then added, as it is another one.
///
/// A device is not reported before the kernel has given it its BARs, or three seconds have passed.
/// Its nodes, and where udevd runs their permissions, may come later, and are reported as a change.
/// A change of permissions that udevd does not make is noticed only when something else happens.
///
/// That a device is to be removed is not reported here, but by the device itself, to the program
/// that has it open (event::kind::removal_requested, errc::device_removed): the device is removed
/// only when that program has closed it, if it is bound to vfio-pci. Bound to a UIO driver or none
/// it goes away at once.
///
/// Needs no privilege. In a container it works where the network namespace is the host's; elsewhere
/// nothing but the first look is reported.
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

    /// Begins to watch.
    /// @throws error errc::descriptor_limit, or a system error where the kernel's events cannot be
    ///         listened to.
    [[nodiscard]] static device_monitor open();
    [[nodiscard]] static device_monitor open(std::error_code& ec);

    [[nodiscard]] bool is_open() const noexcept { return impl_ != nullptr; }
    void close() noexcept;

    /// A descriptor that polls readable (POLLIN) when next() is to be called; at first it does. It
    /// belongs to the monitor: do not read or close it. It may become readable with nothing to
    /// report. -1 where the monitor is closed.
    [[nodiscard]] int fd() const noexcept;

    /// The next change; nothing where there is none now. Never blocks.
    /// @throws error errc::closed, errc::forked; as discover() where the devices cannot be looked
    ///         at: nothing is lost by that, and fd() becomes readable for another try.
    std::optional<device_change> next();
    std::optional<device_change> next(std::error_code& ec);

  private:
    class IVSHMEM_HIDDEN impl;

    explicit device_monitor(std::unique_ptr<impl> opened) noexcept;

    std::unique_ptr<impl> impl_;
};

} // namespace ivshmem
