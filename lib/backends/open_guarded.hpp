// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"
#include "discovery/permission.hpp"

#include <string>

#include <fcntl.h>

namespace ivshmem {

/// Opens a file that only some users may open; a failure names them.
inline unique_fd open_guarded(const std::string& path, int flags, failure& f) {
    unique_fd fd{retry_eintr([&] { return ::open(path.c_str(), flags | O_CLOEXEC); })};
    if (fd)
        return fd;
    const int number = errno;
    if (number == EACCES || number == EPERM)
        f.set(errc::permission_denied, "{}: permission denied: {}", path, permission_remedy(path));
    else
        f.set_errno(number, "{}: open", path);
    return fd;
}

} // namespace ivshmem
