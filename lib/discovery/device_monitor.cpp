// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/twins.hpp"
#include "base/unique_fd.hpp"
#include "base/wait_fds.hpp"
#include "discovery/device_changes.hpp"
#include "discovery/discovery.hpp"
#include "discovery/uevents.hpp"

#include <ivshmem/device_monitor.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

namespace ivshmem {

namespace {

using std::chrono::nanoseconds;

/// The delay before a device that is being added or removed is read again; it doubles each time,
/// ...
constexpr std::chrono::milliseconds first_pause{20};
/// ... until the device is accepted as it is: after 20 + 40 + ... + 1280 ms.
constexpr unsigned most_pauses = 7;

/// Returns an identity of the device in the kernel; it differs each time that the kernel adds the
/// device.
std::optional<std::uint64_t> identity(const device_info& device) {
    struct stat status {};
    const auto folder = "/sys/bus/pci/devices/" + to_string(device.address);
    if (::stat(folder.c_str(), &status) != 0)
        return std::nullopt;
    return status.st_ino;
}

} // namespace

/// Events only trigger a discovery, which finds all changes. So events may be lost, duplicated or
/// late.
class device_monitor::impl {
  public:
    static std::unique_ptr<impl> open(failure& f);

    [[nodiscard]] int fd() const noexcept { return either_.get(); }
    std::optional<device_change> next(failure& f);

  private:
    void look(failure& f);
    void set_alarm();

    const pid_t owner_ = ::getpid();
    uevents events_;
    unique_fd alarm_;            ///< a timer: readable when next() must be called without an event
    nanoseconds alarm_after_{0}; ///< its present setting; 0: not set; -1: it expired
    unique_fd either_;           ///< readable when an event or the alarm is
    device_changes changes_;
    bool must_look_ = true;
    unsigned pauses_ = 0; ///< since the devices were settled
};

std::unique_ptr<device_monitor::impl> device_monitor::impl::open(failure& f) {
    auto opened = std::make_unique<impl>();
    opened->events_ = uevents::open(f);
    if (f)
        return nullptr;
    opened->alarm_ = make_timer("device monitor", f);
    if (f)
        return nullptr;
    const std::array both{opened->events_.fd(), opened->alarm_.get()};
    opened->either_ = make_epoll("device monitor", both, f);
    if (f)
        return nullptr;
    set_timer(opened->alarm_.get(), nanoseconds{1});
    return opened;
}

std::optional<device_change> device_monitor::impl::next(failure& f) {
    if (owner_ != ::getpid()) {
        f.set(errc::forked,
              "device monitor: opened by the parent process: a child must open its own");
        return std::nullopt;
    }
    if (changes_.empty()) {
        if (is_readable(alarm_.get())) {
            alarm_after_ = nanoseconds{-1};
            must_look_ = true;
            ++pauses_;
        }
        must_look_ = events_.take(f) || must_look_;
        if (must_look_ && !f)
            look(f);
    }
    auto change = f ? std::nullopt : changes_.next();
    set_alarm();
    return change;
}

void device_monitor::impl::look(failure& f) {
    auto found = find_devices("/", f);
    if (f)
        return;
    std::vector<device_sighting> seen;
    for (auto& device : found.devices)
        if (const auto it = identity(device))
            seen.push_back({std::move(device), *it});
    changes_.look(std::move(seen), pauses_ >= most_pauses);
    must_look_ = false;
    if (!changes_.unsettled())
        pauses_ = 0;
}

void device_monitor::impl::set_alarm() {
    nanoseconds after{0}; // never
    if (!changes_.empty())
        after = nanoseconds{1};
    else if (must_look_ || changes_.unsettled())
        after = first_pause * (1U << std::min(pauses_, most_pauses - 1));
    if (after == alarm_after_)
        return; // frequent calls do not delay it
    set_timer(alarm_.get(), after);
    alarm_after_ = after;
}

namespace {

/// Returns the next change of an open monitor.
std::optional<device_change> next_change(auto* open, failure& f) {
    if (open != nullptr)
        return open->next(f);
    f.set(errc::closed, "device monitor: closed: open it first");
    return std::nullopt;
}

} // namespace

device_monitor::device_monitor() noexcept = default;
device_monitor::device_monitor(std::unique_ptr<impl> opened) noexcept : impl_{std::move(opened)} {}
device_monitor::device_monitor(device_monitor&& other) noexcept = default;
device_monitor& device_monitor::operator=(device_monitor&& other) noexcept = default;
device_monitor::~device_monitor() = default;

void device_monitor::close() noexcept {
    impl_.reset();
}

device_monitor device_monitor::open() {
    return throwing([](failure& f) { return device_monitor{impl::open(f)}; });
}

device_monitor device_monitor::open(std::error_code& ec) {
    return reporting(ec, [](failure& f) { return device_monitor{impl::open(f)}; });
}

int device_monitor::fd() const noexcept {
    return impl_ ? impl_->fd() : -1;
}

std::optional<device_change> device_monitor::next() {
    return throwing([this](failure& f) { return next_change(impl_.get(), f); });
}

std::optional<device_change> device_monitor::next(std::error_code& ec) {
    return reporting(ec, [this](failure& f) { return next_change(impl_.get(), f); });
}

} // namespace ivshmem
