// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "setup/transaction.hpp"

#include <ivshmem/device_info.hpp>

#include <filesystem>

namespace ivshmemctl {

/// The files in it remember, for unbind and until the next boot, what bind did.
inline constexpr const char* records_folder = "/run/ivshmemctl";

/// Adds what drops the uncachable MTRR ranges over BAR2, and remembers them for each device that
/// wants them dropped.
void add_cached(transaction& plan, const ivshmem::device_info& device,
                const std::filesystem::path& root);

/// Adds what gives the ranges back that add_cached() dropped and no other device needs dropped.
void add_uncached(transaction& plan, const ivshmem::device_info& device,
                  const std::filesystem::path& root);

} // namespace ivshmemctl
