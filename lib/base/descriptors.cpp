// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/failure.hpp"
#include "base/wait_fds.hpp"

#include <ivshmem/detail/descriptors.hpp>

#include <fcntl.h>
#include <sys/eventfd.h>

namespace ivshmem::detail {

namespace {

int checked(int fd, std::error_code& ec) noexcept {
    ec = fd < 0 ? errno_code(errno) : std::error_code{};
    return fd;
}

} // namespace

int duplicate_descriptor(int fd, std::error_code& ec) noexcept {
    return checked(::fcntl(fd, F_DUPFD_CLOEXEC, 0), ec);
}

int create_eventfd(std::error_code& ec) noexcept {
    return checked(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), ec);
}

void add_to_eventfd(int fd) noexcept {
    static_cast<void>(signal_eventfd(fd));
}

} // namespace ivshmem::detail
