// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "progress.hpp"

#include <ivshmem/device.hpp>

#include <cstdint>
#include <vector>

namespace ivshmemctl {

/// What the shared memory is used for, as far as its bytes tell. They are only read.
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

/// Looks at the first word of each page, and at the headers of slots.
memory_use inspect_memory(ivshmem::device& device);
/// Whether there is a byte that is not zero outside of the sections that somebody has, or had, for
/// channels. Reads all of the memory up to that, and shows how far it is.
bool has_other_data(const ivshmem::shared_memory& memory, progress& bar);

} // namespace ivshmemctl
