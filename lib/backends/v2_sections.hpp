// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "base/mapping.hpp"

#include <ivshmem/device_info.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ivshmem {

/// The sections of the memory of an ivshmem-v2 device (Jailhouse,
/// Documentation/ivshmem-v2-specification.md, "Shared Memory Region Layout").
struct v2_sections {
    std::span<const std::byte> states;
    std::span<std::byte> read_write;
    std::span<std::byte> outputs; ///< of all peers, by id; only the own one may be written
    std::uint64_t output_size = 0;
};

/// Checks that the sizes of the sections are multiples of a page and that the state table holds all
/// peers. @return The bytes that all sections take, 0 on failure.
std::uint64_t check_v2_sizes(const std::string& name, const v2_layout& layout,
                             std::uint32_t max_peers, failure& f);

/// Divides memory that is mapped from its begin, and takes the right to write to those sections
/// that belong to the hypervisor or to other peers. @pre check_v2_sizes() allows the sizes, and
/// `all` has as many bytes.
v2_sections divide_v2_memory(const std::string& name, const mapping& all, const v2_layout& layout,
                             std::uint32_t max_peers, std::uint16_t id, failure& f);

} // namespace ivshmem
