// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ivshmem {

/// An output section in shared memory, as its header describes it (channel-layout.md, "The
/// header"). A peer wrote the header, so it may be wrong.
struct slot_section {
    std::uint32_t slot = 0;   ///< the number of the slot
    std::uint32_t slots = 0;  ///< how many slots the memory is divided into
    std::uint64_t offset = 0; ///< in the memory, in bytes
    std::uint64_t size = 0;   ///< in bytes
    bool held = false;        ///< a peer holds the slot, or held it and did not give it back
    std::uint16_t peer = 0;   ///< the holder's id at the device

    bool operator==(const slot_section&) const = default;
};

/// Finds the sections in shared memory, ascending by offset, without claiming a slot. For tools
/// that show what the memory is used for. Looks only where the layout puts a header: at most a few
/// thousand pages, whatever the size of the memory. The sections that a peer with a larger memory
/// laid out are found too, as far as they begin in this one. Writes nothing. Thread safe.
/// @param memory All of the memory of a device; of ivshmem-v2, device::output_sections().
[[nodiscard]] IVSHMEM_API std::vector<slot_section>
find_slot_sections(std::span<const std::byte> memory);

} // namespace ivshmem
