// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/bar2.hpp"
#include "base/failure.hpp"
#include "base/mapping.hpp"

#include <ivshmem/device_info.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ivshmem {

/// The sections of the memory of an ivshmem-v2 device (Jailhouse,
/// Documentation/ivshmem-v2-specification.md, "Shared Memory Region Layout").
struct v2_sections {
    std::span<const std::byte> states;
    std::span<std::byte> read_write;
    std::span<const std::byte> outputs; ///< of all peers, by id
    std::span<std::byte> output;        ///< that of this peer
};

/// Checks that the sizes of the sections are multiples of a page and that the state table holds all
/// peers. @return The bytes that all sections take, 0 on failure.
std::uint64_t check_v2_sizes(const std::string& name, const v2_layout& layout,
                             std::uint32_t max_peers, failure& f);

/// Returns the parts of the memory to map: the state table and the output sections of all peers for
/// reading; the read/write section and, once more, the output section of this peer for writing.
/// Those without bytes are left out. @pre check_v2_sizes() allows the sizes.
std::vector<bar2_part> v2_parts(const v2_layout& layout, std::uint32_t max_peers, std::uint16_t id);

/// Returns the sections in the mappings of v2_parts().
v2_sections v2_sections_in(const v2_layout& layout, std::span<const mapping* const> maps);

} // namespace ivshmem
