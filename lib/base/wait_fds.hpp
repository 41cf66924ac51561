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

/// A new eventfd, non-blocking. @param name The device, for the message.
unique_fd make_eventfd(const std::string& name, failure& f);

/// A new epoll descriptor over `fds`, readable while one of them is; epoll_data is the index.
unique_fd make_epoll(const std::string& name, std::span<const int> fds, failure& f);

/// A new timerfd that does not run. @param name The object, for the message.
unique_fd make_timer(const std::string& name, failure& f);

/// Makes a timer readable once the time is over, and not before; 0: never.
void set_timer(int fd, std::chrono::nanoseconds after) noexcept;

/// A vector's eventfd, and the epoll descriptor that joins it with another one: who waits for a
/// ring is also woken when there is something else to attend to.
struct vector_wait {
    unique_fd rings;
    unique_fd either;

    vector_wait(const std::string& name, unique_fd eventfd, int other, failure& f);
};

/// Whether `fd` polls readable, or hung up, now.
bool is_readable(int fd) noexcept;

/// Reads an eventfd's counter and resets it; 0 where nothing was signalled. Never blocks, even
/// where another process that shares the eventfd has switched it to blocking.
std::uint64_t take_eventfd(int fd) noexcept;

/// Adds one to an eventfd's counter; a full counter is left as it is. Blocks only where another
/// process fills the eventfd, and switches it to blocking, in the very moment.
/// @return false where the write fails, with errno set.
bool signal_eventfd(int fd) noexcept;

} // namespace ivshmem
