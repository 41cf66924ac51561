// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device_info.hpp>

#include <cstddef>
#include <filesystem>

namespace ivshmem_share {

/// Returns whether no other BAR shares the pages of this one: a mapping has whole pages, and small
/// BARs of several devices can share one. False if that cannot be read.
bool has_pages_to_itself(const std::filesystem::path& root, const ivshmem::device_info& info,
                         std::size_t bar);

} // namespace ivshmem_share
