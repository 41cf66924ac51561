// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

namespace lsivshmem {

/// As lsblk's.
enum exit_status {
    exit_success = 0,
    exit_failure = 1,
    exit_none_found = 32,
    exit_some_failed = 64, ///< the rest was listed
};

} // namespace lsivshmem
