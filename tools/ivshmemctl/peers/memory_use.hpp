// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"
#include "progress.hpp"

#include <ivshmem/device.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ivshmemctl {

/// The use of the shared memory, as far as its content shows.
struct memory_use {
    /// A slot that a peer holds, or that a killed one did not give back: the id alone does not
    /// prove that its holder is gone, because an earlier server may have given it.
    struct held_slot {
        std::uint32_t slot = 0;
        std::uint16_t peer = 0; ///< the holder's id at the device

        bool operator==(const held_slot&) const = default;
    };

    bool channels = false;         ///< it is, or was, divided for channels (channel-layout.md)
    std::vector<held_slot> held{}; ///< ascending
};

/// Opens the device and maps the memory that channels use: of more than largest_window, only what
/// they need at the start, unless the header there names a larger region.
ivshmem::device open_with_channels(const common_options& common);
/// The memory in which channels have their sections.
std::span<const std::byte> channel_memory(const ivshmem::device& device);
/// Reads the first word of each page and the headers of slots.
memory_use inspect_memory(const ivshmem::device& device);
/// Returns whether a claim of a slot may overwrite data of another use: whether a byte outside the
/// sections of channels, present or past, is not zero. A claim on ivshmem-v2 writes only to the
/// peer's own output section, which is all that counts there. Reads up to the first such byte, and
/// shows the progress.
bool has_other_data(const ivshmem::device& device, progress& bar);

} // namespace ivshmemctl
