// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "interrupts.hpp"

#include "base/wait_fds.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ivshmem_device {

namespace {

using ivshmem::unique_fd;

constexpr std::uint32_t data_types =
    VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_DATA_EVENTFD;
constexpr std::uint32_t actions =
    VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_TRIGGER;

/// Returns whether the numbers of a request belong together: one type of data, one action, and the
/// data that they announce.
bool is_consistent(const vfio_irq_set& what, std::span<const std::byte> data,
                   const std::vector<unique_fd>& fds) {
    const auto one_of = [](std::uint32_t flags) {
        return flags != 0 && (flags & (flags - 1)) == 0;
    };
    if ((what.flags & ~(data_types | actions)) != 0 || !one_of(what.flags & data_types) ||
        !one_of(what.flags & actions))
        return false;
    if ((what.flags & VFIO_IRQ_SET_DATA_BOOL) != 0 && data.size() < what.count)
        return false;
    if ((what.flags & VFIO_IRQ_SET_DATA_EVENTFD) == 0)
        return fds.empty();
    // All of the range get an eventfd, or all lose it.
    return (fds.empty() || fds.size() == what.count) &&
           std::all_of(fds.begin(), fds.end(),
                       [](const unique_fd& fd) { return ivshmem::is_eventfd(fd.get()); });
}

/// Returns whether the request triggers, masks or unmasks this interrupt itself.
bool is_named(const vfio_irq_set& what, std::span<const std::byte> data, std::uint32_t at) {
    return (what.flags & VFIO_IRQ_SET_DATA_NONE) != 0 || data[at] != std::byte{0};
}

} // namespace

/// Waits for the eventfd by which KVM reports that the guest has handled INTx.
struct interrupts::unmask_watch : std::enable_shared_from_this<unmask_watch> {
    unmask_watch(boost::asio::io_context& io, unique_fd fd, interrupts& of)
        : descriptor{io, fd.release()}, owner{&of} {}

    void wait() {
        descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              [self = shared_from_this()](const boost::system::error_code& ec) {
                                  if (ec || self->owner == nullptr)
                                      return;
                                  ivshmem::take_eventfd(self->descriptor.native_handle());
                                  self->owner->unmask();
                                  self->wait();
                              });
    }

    boost::asio::posix::stream_descriptor descriptor;
    interrupts* owner; ///< null: no more
};

interrupts::interrupts(boost::asio::io_context& io, bool intx, unsigned vectors)
    : io_{io}, msix_(vectors), has_intx_{intx} {}

interrupts::~interrupts() {
    stop_unmask_watch();
}

int interrupts::describe(vfio_irq_info& info) const {
    info.flags = 0;
    info.count = 0;
    switch (info.index) {
    case VFIO_PCI_INTX_IRQ_INDEX:
        if (has_intx_) {
            info.count = 1;
            info.flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
        }
        return 0;
    case VFIO_PCI_MSIX_IRQ_INDEX:
        // Not NORESIZE: with it QEMU disables all vectors to enable one more.
        info.count = vectors();
        info.flags = info.count != 0 ? VFIO_IRQ_INFO_EVENTFD : 0;
        return 0;
    case VFIO_PCI_MSI_IRQ_INDEX:
    case VFIO_PCI_REQ_IRQ_INDEX:
        return 0;
    default: // VFIO_PCI_ERR_IRQ_INDEX too, as for every conventional PCI function
        return EINVAL;
    }
}

int interrupts::set(const vfio_irq_set& what, std::span<const std::byte> data,
                    std::vector<unique_fd> fds) {
    if (!is_consistent(what, data, fds))
        return EINVAL;
    switch (what.index) {
    case VFIO_PCI_INTX_IRQ_INDEX:
        return set_intx(what, data, std::move(fds));
    case VFIO_PCI_MSIX_IRQ_INDEX:
        return set_msix(what, data, std::move(fds));
    default:
        return EINVAL;
    }
}

int interrupts::set_msix(const vfio_irq_set& what, std::span<const std::byte> data,
                         std::vector<unique_fd> fds) {
    if ((what.flags & VFIO_IRQ_SET_ACTION_TRIGGER) == 0)
        return EINVAL; // the client masks vectors itself
    if (what.start > msix_.size() || what.count > msix_.size() - what.start)
        return EINVAL;
    if (what.count == 0) {
        if ((what.flags & VFIO_IRQ_SET_DATA_NONE) == 0 || what.start != 0)
            return EINVAL;
        for (unique_fd& fd : msix_)
            fd.reset();
        return 0;
    }
    for (std::uint32_t i = 0; i < what.count; ++i) {
        unique_fd& fd = msix_[what.start + i];
        if ((what.flags & VFIO_IRQ_SET_DATA_EVENTFD) == 0) {
            if (is_named(what, data, i))
                signal(what.start + i);
        } else if (fds.empty()) {
            fd.reset();
        } else {
            fd = std::move(fds[i]);
        }
    }
    return 0;
}

int interrupts::set_intx(const vfio_irq_set& what, std::span<const std::byte> data,
                         std::vector<unique_fd> fds) {
    const bool eventfds = (what.flags & VFIO_IRQ_SET_DATA_EVENTFD) != 0;
    if (!has_intx_ || what.start != 0 || what.count > 1)
        return EINVAL;
    if (what.count == 0) {
        if ((what.flags & VFIO_IRQ_SET_DATA_NONE) == 0 ||
            (what.flags & VFIO_IRQ_SET_ACTION_TRIGGER) == 0)
            return EINVAL;
        intx_.reset();
        stop_unmask_watch();
        intx_masked_ = false;
        return 0;
    }
    if (!eventfds && !is_named(what, data, 0))
        return 0;
    unique_fd fd = fds.empty() ? unique_fd{} : std::move(fds.front());
    switch (what.flags & actions) {
    case VFIO_IRQ_SET_ACTION_TRIGGER:
        if (!eventfds) {
            pulse_intx();
            return 0;
        }
        intx_ = std::move(fd);
        intx_masked_ = false;
        update_intx();
        return 0;
    case VFIO_IRQ_SET_ACTION_MASK:
        if (eventfds)
            return ENOTSUP;
        intx_masked_ = true;
        return 0;
    default:
        if (!eventfds)
            unmask();
        else
            watch_unmask(std::move(fd));
        return 0;
    }
}

bool interrupts::signal(unsigned vector) {
    return vector < msix_.size() && msix_[vector] && writer_.signal(msix_[vector].get());
}

void interrupts::pulse_intx() {
    intx_pulse_ = true;
    update_intx();
}

void interrupts::set_intx(bool level) {
    intx_level_ = level;
    update_intx();
}

void interrupts::enable_intx(bool enabled) {
    intx_enabled_ = enabled;
    update_intx();
}

void interrupts::reset() {
    intx_level_ = false;
    intx_pulse_ = false;
    intx_enabled_ = true;
}

void interrupts::unmask() {
    intx_masked_ = false;
    update_intx();
}

void interrupts::update_intx() {
    if (!(intx_level_ || intx_pulse_) || intx_masked_ || !intx_enabled_ || !intx_)
        return;
    intx_pulse_ = false;
    intx_masked_ = true;
    writer_.signal(intx_.get());
}

void interrupts::watch_unmask(unique_fd fd) {
    stop_unmask_watch();
    if (!fd)
        return;
    unmask_ = std::make_shared<unmask_watch>(io_, std::move(fd), *this);
    unmask_->wait();
}

void interrupts::stop_unmask_watch() {
    if (!unmask_)
        return;
    unmask_->owner = nullptr;
    boost::system::error_code ignored;
    unmask_->descriptor.close(ignored);
    unmask_.reset();
}

} // namespace ivshmem_device
