// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/unique_fd.hpp"
#include "options.hpp"

#include <cstdint>
#include <string>

namespace ivshmem_server {

/// The shared memory.
struct region {
    ivshmem::unique_fd fd;
    std::uint64_t size = 0; ///< bytes, a power of two
    std::string name;       ///< for messages
};

/// Creates the memory that the options describe. A named memory that exists is opened and keeps its
/// content.
region make_region(const options& o, ivshmem::failure& f);

} // namespace ivshmem_server
