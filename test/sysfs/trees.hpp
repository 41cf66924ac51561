// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "tree.hpp"

#include <span>

namespace fake {

/// A machine of the tests, with its name.
struct machine {
    const char* name;
    void (*build)(tree&);
};

/// Machines whose sysfs is valid.
[[nodiscard]] std::span<const machine> sound_machines();
/// Machines with incomplete devices, or with files that no kernel would write.
[[nodiscard]] std::span<const machine> odd_machines();

/// QEMU's devices at an address of the root bus.
[[nodiscard]] function plain(const std::string& address, std::uint64_t size = 4 * mib);
[[nodiscard]] function doorbell(const std::string& address, unsigned vectors = 4,
                                std::uint64_t size = 4 * mib);

/// Builds the machine with this name under root.
/// @throws std::out_of_range if there is none.
void build_machine(std::string_view name, const std::filesystem::path& root);

} // namespace fake
