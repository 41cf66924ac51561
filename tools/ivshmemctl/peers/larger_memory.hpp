// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/shared_memory.hpp>

#include <cstdint>
#include <optional>

namespace ivshmemctl {

/// Returns the bytes of memory that a peer has, if it laid out slots in more of the memory than
/// this VM's device shows. Reads one word of each page, and the headers.
std::optional<std::uint64_t> larger_memory(const ivshmem::shared_memory& memory);

} // namespace ivshmemctl
