// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"

#include <cstdint>

namespace service {

/// Creates a memfd of this many bytes, all zero, whose size nobody can change any more: a process
/// that could shrink it would end every other one that maps it with SIGBUS.
ivshmem::unique_fd make_sealed_memory(std::uint64_t size, ivshmem::failure& f);

} // namespace service
