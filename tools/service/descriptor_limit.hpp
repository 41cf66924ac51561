// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

#include <cstddef>

namespace service {

/// Raises the limit of open descriptors (RLIMIT_NOFILE) as far as possible, and returns it.
std::size_t raise_descriptor_limit(ivshmem::failure& f);

/// Returns the limit of open descriptors, which Linux applies to descriptors in flight too.
std::size_t descriptor_limit();

} // namespace service
