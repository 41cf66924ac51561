// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/cache_mode.hpp>

#include <cstddef>
#include <span>

namespace ivshmemctl {

/// @name Copying from and to shared memory Memory that is not write-back is accessed only by
/// naturally aligned loads and stores of at most a word, each byte once. On some processors, other
/// accesses to device memory fault.
/// @{
void copy_from(ivshmem::cache_mode mode, std::span<const std::byte> shared, std::byte* to);
void copy_to(ivshmem::cache_mode mode, std::span<std::byte> shared, const std::byte* from);
/// @}

} // namespace ivshmemctl
