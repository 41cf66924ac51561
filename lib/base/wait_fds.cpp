// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/wait_fds.hpp"

#include <array>
#include <cstring>
#include <utility>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

namespace ivshmem {

unique_fd make_eventfd(const std::string& name, failure& f) {
    unique_fd fd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    if (!fd)
        f.set_errno(errno, "{}: eventfd", name);
    return fd;
}

unique_fd make_epoll(const std::string& name, std::span<const int> fds, failure& f) {
    unique_fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
    if (!epoll) {
        f.set_errno(errno, "{}: epoll_create1", name);
        return epoll;
    }
    for (std::size_t i = 0; i < fds.size(); ++i) {
        epoll_event registration{};
        registration.events = EPOLLIN;
        registration.data.u32 = static_cast<std::uint32_t>(i);
        if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fds[i], &registration) != 0) {
            f.set_errno(errno, "{}: epoll_ctl", name);
            return {};
        }
    }
    return epoll;
}

unique_fd make_timer(const std::string& name, failure& f) {
    unique_fd fd{::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
    if (!fd)
        f.set_errno(errno, "{}: timerfd_create", name);
    return fd;
}

void set_timer(int fd, std::chrono::nanoseconds after) noexcept {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(after);
    itimerspec when{};
    when.it_value.tv_sec = seconds.count();
    when.it_value.tv_nsec = (after - seconds).count();
    ::timerfd_settime(fd, 0, &when, nullptr);
}

bool is_readable(int fd) noexcept {
    pollfd entry{fd, POLLIN, 0};
    return retry_eintr([&] { return ::poll(&entry, 1, 0); }) > 0;
}

bool is_eventfd(int fd) {
    std::array<char, 64> target{};
    const std::string link = formatted("/proc/self/fd/{}", fd);
    const auto length = ::readlink(link.c_str(), target.data(), target.size() - 1);
    return length < 0 || std::strstr(target.data(), "[eventfd]") != nullptr;
}

std::uint64_t take_eventfd(int fd) noexcept {
    std::uint64_t count = 0;
    iovec into{&count, sizeof count};
    auto got = retry_eintr([&] { return ::preadv2(fd, &into, 1, -1, RWF_NOWAIT); });
    if (got < 0 && errno == EOPNOTSUPP) // kernels before 5.8
        got = retry_eintr([&] { return ::read(fd, &count, sizeof count); });
    return got == sizeof count ? count : 0;
}

bool signal_eventfd(int fd) noexcept {
    const std::uint64_t one = 1;
    return retry_eintr([&] { return ::write(fd, &one, sizeof one); }) == sizeof one ||
           errno == EAGAIN;
}

} // namespace ivshmem
