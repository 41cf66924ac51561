// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "fixed_time.hpp"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <ctime>

#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t beginning = 3600 * second;
constexpr std::int64_t look = 1000;

std::atomic<std::int64_t> now{beginning};

} // namespace

/// Replaces the C library's.
extern "C" int clock_gettime(clockid_t which, timespec* to) {
    if (which != CLOCK_MONOTONIC)
        return static_cast<int>(::syscall(SYS_clock_gettime, which, to));
    const std::int64_t shown = now.fetch_add(look);
    to->tv_sec = shown / second;
    to->tv_nsec = shown % second;
    return 0;
}

/// Replaces the C library's: there is no other process to wait for.
extern "C" int nanosleep(const timespec* time, timespec*) {
    test::pass(std::chrono::seconds{time->tv_sec} + std::chrono::nanoseconds{time->tv_nsec});
    return 0;
}

/// Replaces the C library's: Asio then asks the steady clock whether a timer is due, not the
/// kernel.
extern "C" int timerfd_create(int, int) {
    errno = ENOSYS;
    return -1;
}

namespace test {

void restart_time() {
    now = beginning;
}

void pass(std::chrono::nanoseconds time) {
    now += time.count();
}

} // namespace test
