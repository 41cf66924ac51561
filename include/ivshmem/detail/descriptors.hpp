// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <system_error>

/// File descriptors for the header-only layers. Failures are errc::descriptor_limit for `EMFILE`
/// and `ENFILE`, and a system error otherwise; the result is -1 then.
namespace ivshmem::detail {

/// Duplicates a descriptor with `FD_CLOEXEC`. The caller closes the duplicate.
[[nodiscard]] IVSHMEM_API int duplicate_descriptor(int fd, std::error_code& ec) noexcept;

/// Creates a non-blocking eventfd with the counter 0. The caller closes it.
[[nodiscard]] IVSHMEM_API int create_eventfd(std::error_code& ec) noexcept;

/// Adds one to the counter of an eventfd. Best effort; failure is ignored.
IVSHMEM_API void add_to_eventfd(int fd) noexcept;

} // namespace ivshmem::detail
