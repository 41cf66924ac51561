// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <linux/aio_abi.h>
#include <sys/types.h>

namespace ivshmem {

/// Signals eventfds that other processes share, without ever blocking.
///
/// O_NONBLOCK belongs to the open file, so each process that shares an eventfd can clear it, and
/// can fill the counter: then write(2) sleeps until some process reads the eventfd. Nothing that
/// the caller checks before prevents this, and pwritev2() with RWF_NOWAIT fails with EOPNOTSUPP for
/// an eventfd. So the eventfd is signalled by the kernel, which never waits: as the eventfd of an
/// asynchronous read (IOCB_FLAG_RESFD) that reads nothing and ends at once. That is one system call
/// too.
///
/// Not thread-safe.
class doorbell_writer {
  public:
    doorbell_writer() = default;
    doorbell_writer(const doorbell_writer&) = delete;
    doorbell_writer& operator=(const doorbell_writer&) = delete;
    ~doorbell_writer();

    /// Adds one to the counter of an eventfd, unless it is full. Uses poll() and write(2) if the
    /// kernel has no asynchronous read for it: Linux before 5.8, no CONFIG_AIO, fs.aio-max-nr
    /// reached, or a seccomp filter. Only then the call can block, if another process makes the
    /// eventfd blocking and full between these two.
    /// @return false with errno set on failure.
    bool signal(int fd) noexcept;

  private:
    bool set_up() noexcept;

    aio_context_t context_ = 0;
    pid_t owner_ = 0;          ///< the process of context_: a fork has no contexts
    bool unavailable_ = false; ///< io_setup() or io_submit() is refused
};

} // namespace ivshmem
