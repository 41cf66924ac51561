// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/device.hpp>
#include <ivshmem/region_geometry.hpp>
#include <ivshmem/slot.hpp>

#include <cstdint>
#include <optional>

namespace connections {

/// Claims a slot for a program that carries connections.
///
/// If no peer has divided the memory, it is divided as connections.md recommends, so that several
/// programs in several VMs have room; otherwise as the peers have it. Programs that share a device
/// are rung on different vectors, if it has several.
/// @param options Without a geometry. If `number` is empty, a free slot is claimed: never one whose
/// holder merely does not answer, because a VM that is paused goes on later.
/// @throws ivshmem::error as slot::claim(), slot::claim_free() and device::users().
[[nodiscard]] ivshmem::slot claim(ivshmem::device& of, ivshmem::slot_options options);

/// Returns the recommended geometry for a memory of so many bytes; nothing if it is too small.
[[nodiscard]] std::optional<ivshmem::region_geometry> recommended_geometry(std::uint64_t memory);

} // namespace connections
