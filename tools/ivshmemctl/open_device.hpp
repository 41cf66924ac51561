// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"

#include <ivshmem/device.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace ivshmemctl {

/// Opens the device that the command line names.
/// @param cache The required cache mode; empty: the best one.
/// @param part The part of the memory to map; empty: all.
ivshmem::device open_device(const common_options& common,
                            std::optional<ivshmem::cache_mode> cache = std::nullopt,
                            std::optional<ivshmem::memory_region> part = std::nullopt);
/// The smallest part of the memory: for commands that do not use it. The server's is mapped whole,
/// which costs nothing.
std::optional<ivshmem::memory_region> no_memory(const common_options& common);
/// The most bytes that are mapped at once if less than all of the memory will do: 2 MiB of page
/// tables.
inline constexpr std::uint64_t largest_window = 1U << 30U;
/// Returns the size of the whole memory of a device, in bytes; of the read/write section, for
/// ivshmem-v2.
std::uint64_t memory_size(const ivshmem::device& device);
/// Returns the device's name for messages: its PCI address, or "server PATH".
std::string name_of(const ivshmem::device& device);
/// Returns "peer 3", or "a peer without an id" for a plain device, for the middle of a sentence.
std::string own_peer(const ivshmem::device& device);

} // namespace ivshmemctl
