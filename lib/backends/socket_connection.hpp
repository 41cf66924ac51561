// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace ivshmem {

/// Connects to the UNIX socket of a service, without blocking but for a full backlog.
/// @param scheme The word before the path in a selector, for a message: "server", "share".
/// @param type SOCK_STREAM or SOCK_SEQPACKET.
/// @param until When to give up while the backlog is full.
/// @param refused Gets EAGAIN (the backlog), ENOENT, ECONNREFUSED or EPROTOTYPE, for which the
/// caller knows the next thing to try; 0 otherwise. Other failures are in `f`.
unique_fd connect_to_socket(std::string_view scheme, const std::string& path, int type,
                            std::chrono::steady_clock::time_point until, int& refused, failure& f);

} // namespace ivshmem
