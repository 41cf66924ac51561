// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/uevents.hpp"

#include <cerrno>

#include <libudev.h>
#include <unistd.h>

namespace ivshmem {

namespace {

constexpr const char* udevd_socket = "/run/udev/control";

/// The number of events that are read at once; more wait for the next call.
constexpr int most_events = 4096;

} // namespace

void uevents::closer::operator()(udev* context) const noexcept {
    ::udev_unref(context);
}

void uevents::closer::operator()(udev_monitor* monitor) const noexcept {
    ::udev_monitor_unref(monitor);
}

uevents uevents::open(failure& f) {
    const auto failed = [&](int number) {
        f.set_errno(number, "device monitor: listening to the kernel's events; is the address "
                            "family AF_NETLINK forbidden to this program?");
        return uevents{};
    };
    uevents result;
    result.context_.reset(::udev_new());
    if (!result.context_)
        return failed(errno);
    const char* const group = ::access(udevd_socket, F_OK) == 0 ? "udev" : "kernel";
    result.monitor_.reset(::udev_monitor_new_from_netlink(result.context_.get(), group));
    udev_monitor* const monitor = result.monitor_.get();
    if (monitor == nullptr)
        return failed(errno);
    for (const char* const subsystem : {"pci", "vfio", "uio"}) {
        if (const int rc =
                ::udev_monitor_filter_add_match_subsystem_devtype(monitor, subsystem, nullptr);
            rc < 0)
            return failed(-rc);
    }
    if (const int rc = ::udev_monitor_enable_receiving(monitor); rc < 0)
        return failed(-rc);
    return result;
}

int uevents::fd() const noexcept {
    return ::udev_monitor_get_fd(monitor_.get());
}

bool uevents::take(failure& f) {
    bool any = false;
    for (int i = 0; i < most_events; ++i) {
        errno = 0;
        if (udev_device* const device = ::udev_monitor_receive_device(monitor_.get())) {
            ::udev_device_unref(device);
        } else if (errno != ENOBUFS) {
            if (errno != 0 && errno != EAGAIN && errno != EINTR)
                f.set_errno(errno, "device monitor: receiving the kernel's events");
            return any;
        }
        any = true;
    }
    return any;
}

} // namespace ivshmem
