// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "progress.hpp"

#include <ivshmem/device.hpp>

#include <cstdint>
#include <vector>

namespace ivshmemctl {

/// The use of the shared memory, as far as its content shows.
struct memory_use {
    /// A slot whose holder may be alive.
    struct held_slot {
        std::uint32_t slot = 0;
        std::uint16_t peer = 0; ///< the holder's id at the device

        bool operator==(const held_slot&) const = default;
    };

    bool channels = false;         ///< it is, or was, divided for channels (channel-layout.md)
    std::vector<held_slot> held{}; ///< ascending
};

/// Reads the first word of each page and the headers of slots.
memory_use inspect_memory(ivshmem::device& device);
/// Returns whether a byte outside the sections of channels, present or past, is not zero. Reads the
/// memory up to the first such byte, and shows the progress.
bool has_other_data(const ivshmem::shared_memory& memory, progress& bar);

} // namespace ivshmemctl
