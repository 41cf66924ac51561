// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "uevents.hpp"

#include "sysfs.hpp"

#include <cerrno>
#include <limits>
#include <string_view>

#include <libudev.h>
#include <unistd.h>

namespace ivshmem {

namespace {

constexpr const char* udevd_socket = "/run/udev/control";

struct releaser {
    void operator()(udev_device* device) const noexcept { ::udev_device_unref(device); }
};

std::string_view text(const char* chars) {
    return chars != nullptr ? std::string_view{chars} : std::string_view{};
}

} // namespace

void uevents::closer::operator()(udev* context) const noexcept {
    ::udev_unref(context);
}

void uevents::closer::operator()(udev_monitor* monitor) const noexcept {
    ::udev_monitor_unref(monitor);
}

uevents uevents::open(failure& f) {
    uevents result;
    const auto failed = [&](int number) {
        if (number == EMFILE || number == ENFILE)
            f.set(errc::descriptor_limit,
                  "device monitor: too many open files; raise the limit (ulimit -n)");
        else
            f.set_errno(number, "device monitor: listening to the kernel's events (netlink); is "
                                "AF_NETLINK forbidden to this program?");
        return uevents{};
    };
    result.context_.reset(::udev_new());
    if (!result.context_)
        return failed(errno);
    const char* const group = ::access(udevd_socket, F_OK) == 0 ? "udev" : "kernel";
    result.monitor_.reset(::udev_monitor_new_from_netlink(result.context_.get(), group));
    if (!result.monitor_)
        return failed(errno);
    udev_monitor* const monitor = result.monitor_.get();
    for (const char* const subsystem : {"pci", "vfio", "uio"}) {
        const int rc =
            ::udev_monitor_filter_add_match_subsystem_devtype(monitor, subsystem, nullptr);
        if (rc < 0)
            return failed(-rc);
    }
    if (const int rc = ::udev_monitor_enable_receiving(monitor); rc < 0)
        return failed(-rc);
    return result;
}

int uevents::fd() const noexcept {
    return ::udev_monitor_get_fd(monitor_.get());
}

uevents::outcome uevents::next(uevent& event, failure& f) {
    errno = 0;
    const std::unique_ptr<udev_device, releaser> device{
        ::udev_monitor_receive_device(monitor_.get())};
    if (!device) {
        if (errno == ENOBUFS)
            return outcome::lost;
        if (errno != 0 && errno != EAGAIN && errno != EINTR)
            f.set_errno(errno, "device monitor: receiving the kernel's events");
        return outcome::none;
    }
    event = {::udev_device_get_seqnum(device.get()), std::nullopt};
    if (text(::udev_device_get_subsystem(device.get())) == "pci" &&
        text(::udev_device_get_action(device.get())) == "remove")
        event.removed = parse_pci_address(text(::udev_device_get_sysname(device.get())));
    return outcome::got;
}

std::uint64_t uevents::last_number() {
    failure ignored;
    return sysfs_dir{"/sys/kernel"}
        .number("uevent_seqnum", std::numeric_limits<std::uint64_t>::max(), ignored)
        .value_or(0);
}

} // namespace ivshmem
