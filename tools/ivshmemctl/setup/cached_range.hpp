// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "setup/transaction.hpp"

#include <ivshmem/device_info.hpp>

#include <filesystem>

namespace ivshmemctl {

/// The folder of the files that record what bind did, for unbind, until the next boot.
inline constexpr const char* records_folder = "/run/ivshmemctl";

/// Adds the operations that drop the uncachable MTRR ranges over BAR2, and that record them for
/// each device that needs them dropped.
void add_cached(transaction& plan, const ivshmem::device_info& device,
                const std::filesystem::path& root);

/// Adds the operations that restore the ranges that add_cached() dropped, unless another device
/// needs them dropped.
void add_uncached(transaction& plan, const ivshmem::device_info& device,
                  const std::filesystem::path& root);

} // namespace ivshmemctl
