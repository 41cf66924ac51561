// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <string_view>

namespace ivshmem {

/// How the processor caches accesses to the shared memory, best first.
enum class cache_mode {
    write_back,      ///< as ordinary memory
    write_combining, ///< stores are gathered, loads are not cached; not ordered by plain stores
    uncached,        ///< each access goes to the bus, if the hypervisor lets it
};

/// "write-back", "write-combining" or "uncached". Thread safe.
[[nodiscard]] IVSHMEM_API std::string_view to_string(cache_mode mode) noexcept;

} // namespace ivshmem
