// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

namespace ivshmem_server {

/// Raises the limit of open descriptors (RLIMIT_NOFILE) as far as possible, and returns the number
/// of clients that fit.
/// @param vectors The vectors of each client: an eventfd each, in addition to its socket.
/// @param wanted The number of clients that must fit; 0: as many as do.
unsigned client_capacity(unsigned vectors, unsigned wanted, ivshmem::failure& f);

} // namespace ivshmem_server
