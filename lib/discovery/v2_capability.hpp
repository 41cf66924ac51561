// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "discovery/pci_config.hpp"

#include <ivshmem/device_info.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace ivshmem {

/// The vendor specific capability of an ivshmem-v2 device (Jailhouse,
/// Documentation/ivshmem-v2-specification.md, "Vendor Specific Capability (ID 09h)").
struct v2_capability {
    /// The place of the register Privileged Control in the capability.
    static constexpr std::uint8_t privileged_control = 0x03;
    static constexpr std::uint8_t one_shot = 1; ///< its bit 0

    std::uint8_t offset = 0; ///< of the capability in the configuration space
    v2_layout layout;
};

/// Reads the capability. Returns nothing, with f set unless the list cannot be followed, if there
/// is none.
/// @param name The file's path or the device's name, for the message.
std::optional<v2_capability> read_v2_capability(const pci_config& config, const std::string& name,
                                                failure& f);

} // namespace ivshmem
