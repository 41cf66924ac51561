// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"

#include <ivshmem/device.hpp>

#include <optional>
#include <string>

namespace ivshmemctl {

/// The device that the command line names, opened; with a mode, insisting on it.
ivshmem::device open_device(const common_options& common,
                            std::optional<ivshmem::cache_mode> cache = std::nullopt);
/// What to call it in a line: its address, or "server PATH".
std::string name_of(const ivshmem::device& device);
/// "peer 3 ", or nothing on a plain device, which has no id. For the middle of a sentence.
std::string own_peer(const ivshmem::device& device);

} // namespace ivshmemctl
