// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

namespace ivshmem {

/// Creates a non-blocking eventfd.
/// @param name The device, for the message.
unique_fd make_eventfd(const std::string& name, failure& f);

/// Creates an epoll descriptor over `fds`, which is readable while one of them is; epoll_data is
/// the index.
unique_fd make_epoll(const std::string& name, std::span<const int> fds, failure& f);

/// Creates a timerfd that is not running.
/// @param name The object, for the message.
unique_fd make_timer(const std::string& name, failure& f);

/// Makes a timer readable after this time, not earlier; 0: never.
void set_timer(int fd, std::chrono::nanoseconds after) noexcept;

/// Returns whether `fd` polls readable or hung up now.
bool is_readable(int fd) noexcept;

/// Returns whether `fd` is an eventfd, the only kind that doorbell_writer signals and
/// take_eventfd() reads without ever blocking. True if /proc does not say.
bool is_eventfd(int fd);

/// Reads an eventfd's counter and resets it; returns 0 if it was not signalled. Never blocks, even
/// if another process that shares the eventfd has made it blocking.
std::uint64_t take_eventfd(int fd) noexcept;

/// Adds one to the counter of a non-blocking eventfd, unless it is full. Only for eventfds that no
/// other process shares: doorbell_writer signals the others.
/// @return false with errno set if the write fails.
bool signal_eventfd(int fd) noexcept;

} // namespace ivshmem
