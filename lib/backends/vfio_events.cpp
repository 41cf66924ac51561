// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/vfio_events.hpp"

#include "base/wait_fds.hpp"

#include <linux/vfio.h>

namespace ivshmem {

void vfio_events::set_up(const vfio_device& device, const std::string& name, failure& f) {
    name_ = name;
    removal_ = make_eventfd(name, f);
    if (f)
        return;
    const std::array removal{removal_.get()};
    device.signal_eventfds(VFIO_PCI_REQ_IRQ_INDEX, removal, f);
    if (f)
        return;
    error_ = make_eventfd(name, f);
    if (f)
        return;
    const std::array error{error_.get()};
    failure no_error_interrupt; // a conventional PCI device has none, and the kernel returns EINVAL
    device.signal_eventfds(VFIO_PCI_ERR_IRQ_INDEX, error, no_error_interrupt);
}

bool vfio_events::removal_requested() const noexcept {
    return is_readable(removal_.get());
}

void vfio_events::check_removal(failure& f) const {
    if (removal_requested())
        f.set(errc::device_removed, "{}: the device is being removed: close it", name_);
}

std::optional<event> vfio_events::next(failure& f) {
    if (take_eventfd(error_.get()) != 0)
        return event{event::kind::device_error, 0};
    if (!removal_requested())
        return std::nullopt;
    if (!removal_reported_.exchange(true))
        return event{event::kind::removal_requested, 0};
    check_removal(f);
    return std::nullopt;
}

} // namespace ivshmem
