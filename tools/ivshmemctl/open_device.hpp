// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"

#include <ivshmem/device.hpp>

#include <optional>
#include <string>

namespace ivshmemctl {

/// Opens the device that the command line names.
/// @param cache The required cache mode; empty: the best one.
ivshmem::device open_device(const common_options& common,
                            std::optional<ivshmem::cache_mode> cache = std::nullopt);
/// Returns the device's name for messages: its PCI address, or "server PATH".
std::string name_of(const ivshmem::device& device);
/// Returns "peer 3", or "a peer without an id" for a plain device, for the middle of a sentence.
std::string own_peer(const ivshmem::device& device);

} // namespace ivshmemctl
