// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

namespace ivshmem_server {

/// Raises the limit of open descriptors as far as the process may, and says how many clients fit.
/// @param vectors Of each client: an eventfd each, beside its socket.
/// @param wanted  So many have to fit; 0: as many as do.
unsigned client_capacity(unsigned vectors, unsigned wanted, ivshmem::failure& f);

} // namespace ivshmem_server
