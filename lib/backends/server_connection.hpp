// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <chrono>
#include <string>

namespace ivshmem {

/// Connects to the UNIX socket of an ivshmem server; the descriptor is non-blocking. If the
/// server's backlog is full (EAGAIN), tries again until the deadline.
unique_fd connect_to_server(const std::string& path, std::chrono::steady_clock::time_point deadline,
                            failure& f);

} // namespace ivshmem
