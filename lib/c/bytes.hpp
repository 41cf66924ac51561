// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "c/failures.hpp"

#include <cstddef>
#include <span>

namespace ivshmem::capi {

/// Returns the bytes of a buffer. @throws error EINVAL: NULL, but not empty.
inline std::span<const std::byte> bytes_of(const void* at, std::size_t size) {
    require(at != nullptr || size == 0, "a buffer is NULL, but its size is not 0");
    return {static_cast<const std::byte*>(at), size};
}
inline std::span<std::byte> bytes_of(void* at, std::size_t size) {
    require(at != nullptr || size == 0, "a buffer is NULL, but its size is not 0");
    return {static_cast<std::byte*>(at), size};
}

} // namespace ivshmem::capi
