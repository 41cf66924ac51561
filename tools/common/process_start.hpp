// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <unistd.h>

namespace tools {

/// Prepares a program for the process that it finds itself in; main() calls it first.
///
/// Opens /dev/null, or the root directory if there is none, in place of the descriptors 0 to 2 that
/// are closed. Otherwise the next file or socket would get such a number, and would be written to
/// as the standard error, or replaced. Ignores SIGXFSZ, so that a write beyond the limit of file
/// sizes fails (EFBIG) and the program can report that and clean up.
inline void prepare_process() noexcept {
    std::signal(SIGXFSZ, SIG_IGN);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
        if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF)
            continue;
        // Without O_CLOEXEC, as the standard streams are. The lowest free number is fd.
        if (::open("/dev/null", O_RDWR) == -1) [[maybe_unused]]
            const int root = ::open("/", O_RDONLY);
    }
}

} // namespace tools
