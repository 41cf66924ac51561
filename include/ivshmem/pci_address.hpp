// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ivshmem {

/// The address of a PCI function: domain:bus:device.function, as `lspci -D` prints it.
struct pci_address {
    std::uint32_t domain = 0;
    std::uint8_t bus = 0;
    std::uint8_t device = 0;   ///< 0..31
    std::uint8_t function = 0; ///< 0..7

    auto operator<=>(const pci_address&) const = default; // NOLINT(modernize-use-nullptr): a bug
};

/// Parses "0000:00:04.0" or, for domain 0, "00:04.0" (hexadecimal, any case). Returns nothing for
/// any other text. Thread safe.
[[nodiscard]] IVSHMEM_API std::optional<pci_address> parse_pci_address(std::string_view text);

/// "0000:00:04.0": four digits of domain or more, as sysfs names the device. Thread safe.
[[nodiscard]] IVSHMEM_API std::string to_string(const pci_address& address);

} // namespace ivshmem
