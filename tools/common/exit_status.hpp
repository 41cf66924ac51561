// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

namespace tools {

/// What the tools exit with: the numbers of lsblk, and that of timeout.
enum exit_status {
    exit_success = 0,
    exit_failure = 1,
    exit_none_found = 32,  ///< no device, or none that was asked for
    exit_some_failed = 64, ///< the rest was done
    exit_timed_out = 124,  ///< the time given was over before the thing happened
};

} // namespace tools
