// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/cache_mode.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>

namespace ivshmem {

/// Returns how the kernel maps a range of physical memory now, from
/// /sys/kernel/debug/x86/pat_memtype_list (Linux, arch/x86/mm/pat/memtype.c). Returns nothing if
/// the list cannot be read or lacks the range.
std::optional<cache_mode> mapped_memtype(const std::filesystem::path& root, std::uint64_t start);

/// Returns whether a variable MTRR makes part of [start, start + size) other than write-back, from
/// /proc/mtrr (Linux, Documentation/arch/x86/mtrr.rst). Returns nothing if the file cannot be read.
std::optional<bool> mtrr_forbids_write_back(const std::filesystem::path& root, std::uint64_t start,
                                            std::uint64_t size);

} // namespace ivshmem
