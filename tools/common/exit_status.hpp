// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

namespace tools {

/// The exit statuses of the tools: those of lsblk, and that of timeout.
enum exit_status {
    exit_success = 0,
    exit_failure = 1,
    exit_none_found = 32,  ///< no device, or none of those that were named
    exit_some_failed = 64, ///< the rest was done
    exit_timed_out = 124,  ///< the time limit was reached
};

} // namespace tools
