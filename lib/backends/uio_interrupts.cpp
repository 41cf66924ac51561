// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/uio_interrupts.hpp"

#include "backends/open_guarded.hpp"
#include "base/wait_fds.hpp"

#include <cstring>
#include <limits>

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace ivshmem {

namespace {

/// ACRN's kernel, include/uapi/linux/uio.h; no other kernel has it.
struct uio_msix_data {
    int fd;     ///< an eventfd
    int vector; ///< EINVAL if the device has none of this number
};
constexpr unsigned long uio_msix_data_request = _IOW('u', 100, uio_msix_data);

constexpr std::uint32_t most_vectors = 2048; // PCI 3.0, 6.8.2.3

} // namespace

uio_interrupts::uio_interrupts(const device_info& info, const sysfs_dir& device)
    : info_{info}, device_{device}, command_{device.path("config")}, opener_{::getpid()} {}

uio_interrupts::~uio_interrupts() {
    if (opener_ != ::getpid())
        return;
    // Without a handler the line would stay raised for the devices that share it.
    if (kind_ == kind::intx)
        registers_.disable_intx();
    // uio_pci_generic ends bus mastering when any program closes the node. The eventfds of this one
    // stay bound, as nothing but binding others releases them; no interrupt can arrive.
    node_.reset();
    if (restores_master_)
        static_cast<void>(command_.change(PCI_COMMAND_MASTER, 0));
}

void uio_interrupts::open_node(failure& f) {
    const std::string& path = info_.uio_node->path;
    // The node counts from the time when the driver was bound; earlier interrupts are ignored.
    const sysfs_dir uio = device_.dir("uio").dir(path.substr(path.rfind('/') + 1));
    failure no_count;
    last_count_ = static_cast<std::uint32_t>(
        uio.number("event", std::numeric_limits<std::uint32_t>::max(), no_count).value_or(0));
    node_ = open_guarded(path, O_RDWR | O_NONBLOCK, f);
}

void uio_interrupts::set_up(const registers& regs, failure& f) {
    registers_ = regs;
    if (info_.type == device_type::plain)
        return;
    if (has_msix_ioctl()) {
        bind_eventfds(f);
        if (f || kind_ != kind::none || !obstacle_.empty())
            return;
    }
    if (!node_has_interrupt())
        return;
    if (is_intx())
        return enable_intx();
    kind_ = kind::node; // igb_uio requests one vector, however many there are
    if (const int number = unmask(); number != 0)
        f.set_errno(number, "{}: unmasking the interrupt", info_.uio_node->path);
}

/// Asks for a vector that no device has: EINVAL if the driver knows the ioctl, else ENOTTY. The
/// descriptor must not be -1, which would disable the interrupts of another program.
bool uio_interrupts::has_msix_ioctl() const {
    const uio_msix_data beyond{node_.get(), std::numeric_limits<int>::max()};
    return ::ioctl(node_.get(), uio_msix_data_request, &beyond) != 0 && errno == EINVAL;
}

/// For a node without an interrupt, read() fails with EIO and poll() always reports it ready
/// (Linux, drivers/uio/uio.c): an event loop that waited for it would spin.
bool uio_interrupts::node_has_interrupt() const {
    std::int32_t total = 0;
    const auto got = retry_eintr([&] { return ::read(node_.get(), &total, sizeof total); });
    return got == sizeof total || (got < 0 && errno == EAGAIN);
}

/// An ordinary user cannot read the capabilities, but sees whether the driver uses MSI-X.
bool uio_interrupts::is_intx() const {
    if (info_.type != device_type::unknown)
        return info_.intx;
    return info_.revision == 0 && info_.driver_vectors == 0;
}

bool uio_interrupts::lock() {
    if (retry_eintr([&] { return ::flock(node_.get(), LOCK_EX | LOCK_NB); }) == 0)
        return true;
    obstacle_ = formatted("another program has the device's interrupts, which UIO gives to one at "
                          "a time; try: fuser -v {}",
                          info_.uio_node->path);
    return false;
}

void uio_interrupts::bind_eventfds(failure& f) {
    restores_master_ = true;
    if (!lock())
        return;
    restores_master_ = false;
    const std::uint32_t most = info_.vectors.value_or(most_vectors);
    for (std::uint32_t vector = 0; vector < most; ++vector) {
        unique_fd eventfd = make_eventfd(to_string(info_.address), f);
        if (f)
            return;
        const uio_msix_data binding{eventfd.get(), static_cast<int>(vector)};
        if (::ioctl(node_.get(), uio_msix_data_request, &binding) != 0) {
            if (errno == EINVAL) // beyond the last, or the device has INTx
                break;
            return f.set_errno(errno, "{}: UIO_MSIX_DATA: vector {}", info_.uio_node->path, vector);
        }
        eventfds_.push_back(std::move(eventfd));
    }
    if (eventfds_.empty())
        return;
    // An MSI-X message is a write by the device. ACRN's devices send theirs without bus mastering
    // (hypervisor/dm/vpci/ivshmem.c).
    const int number = command_.change(PCI_COMMAND_MASTER, 0);
    if (number == 0 || info_.acrn_region) {
        kind_ = kind::eventfds;
        return;
    }
    eventfds_.clear();
    obstacle_ = formatted("bus mastering is off, without which the device sends no interrupts, and "
                          "this process may not switch it on ({}); try: sudo setpci -s {} "
                          "COMMAND=6:6",
                          std::strerror(number), to_string(info_.address));
}

void uio_interrupts::enable_intx() {
    if (!lock())
        return;
    // What arrived before does not count, and uio_pci_generic left it masked.
    registers_.enable_intx();
    if (const int number = unmask(); number != 0) {
        registers_.disable_intx();
        obstacle_ = formatted("INTx is masked when it arrives, and this process may not unmask it "
                              "in the PCI command register ({}): run it as root",
                              std::strerror(number));
        return;
    }
    kind_ = kind::intx;
}

/// igb_uio unmasks it when asked; uio_pci_generic leaves that to the program, which must clear
/// "interrupt disable" in the command register (Linux, Documentation/driver-api/uio-howto.rst).
int uio_interrupts::unmask() const {
    const std::int32_t on = 1;
    if (retry_eintr([&] { return ::write(node_.get(), &on, sizeof on); }) >= 0)
        return 0;
    if (errno != ENOSYS)
        return errno;
    return command_.read_only() != 0 ? command_.read_only()
                                     : command_.change(0, PCI_COMMAND_INTX_DISABLE);
}

std::uint32_t uio_interrupts::count() const noexcept {
    return kind_ == kind::none       ? 0
           : kind_ == kind::eventfds ? static_cast<std::uint32_t>(eventfds_.size())
                                     : 1;
}

int uio_interrupts::rings_fd(std::uint32_t vector) const {
    return kind_ == kind::eventfds ? eventfds_[vector].get() : node_.get();
}

std::uint64_t uio_interrupts::take(std::uint32_t vector, failure& f) {
    if (kind_ == kind::eventfds)
        return take_eventfd(eventfds_[vector].get());
    const std::uint64_t count = take_count(f);
    if (count == 0 || kind_ != kind::intx)
        return count;
    registers_.acknowledge_intx();
    if (const int number = unmask(); number != 0)
        f.set_errno(number, "{}: unmasking INTx", info_.uio_node->path);
    return count;
}

std::uint64_t uio_interrupts::take_count(failure& f) {
    std::uint32_t total = 0; // of all interrupts since the driver was bound
    const auto got = retry_eintr([&] { return ::read(node_.get(), &total, sizeof total); });
    if (got == sizeof total) {
        std::uint32_t last = last_count_;
        // Another thread may have read a newer total that includes these rings.
        while (static_cast<std::int32_t>(total - last) > 0) {
            if (last_count_.compare_exchange_weak(last, total))
                return total - last;
        }
        return 0;
    }
    if (got < 0 && errno != EAGAIN)
        f.set(errc::device_removed, "{}: {}: the device was removed or unbound: close it",
              to_string(info_.address), info_.uio_node->path);
    return 0;
}

} // namespace ivshmem
