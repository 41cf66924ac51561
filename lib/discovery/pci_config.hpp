// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ivshmem {

/// The configuration space of one PCI function, as far as it could be read: sysfs shows all of it
/// to CAP_SYS_ADMIN and only the header, 64 bytes, to others. Section numbers are those of the PCI
/// Local Bus Specification 3.0.
class pci_config {
  public:
    static constexpr std::size_t header_size = 64; ///< 6.1, figure 6-1
    static constexpr std::size_t size = 256;       ///< 6.1: header and device dependent region

    static constexpr std::uint8_t cap_vendor = 0x09; ///< appendix H: vendor specific
    static constexpr std::uint8_t cap_msix = 0x11;   ///< appendix H: MSI-X

    /// The result of a search in the capability list.
    struct found {
        enum class answer {
            absent,  ///< the list was followed to its end
            present, ///< at offset
            unknown, ///< the list leads beyond the readable bytes
        };
        answer is = answer::unknown;
        std::uint8_t offset = 0;
    };

    /// @param bytes Little-endian, as read from the file `config`.
    explicit pci_config(std::string bytes) : bytes_{std::move(bytes)} {}

    [[nodiscard]] std::size_t readable() const noexcept { return bytes_.size(); }
    /// The registers below are empty if they lie beyond the readable bytes.
    [[nodiscard]] std::optional<std::uint8_t> u8(std::size_t offset) const noexcept;
    [[nodiscard]] std::optional<std::uint16_t> u16(std::size_t offset) const noexcept;
    [[nodiscard]] std::optional<std::uint32_t> u32(std::size_t offset) const noexcept;
    [[nodiscard]] std::optional<std::uint64_t> u64(std::size_t offset) const noexcept;

    [[nodiscard]] std::optional<std::uint16_t> vendor() const noexcept { return u16(0x00); }
    [[nodiscard]] std::optional<std::uint16_t> device() const noexcept { return u16(0x02); }
    /// 6.2.4: 1 to 4 for INTA# to INTD#; 0 if there is none, or if it lies beyond the bytes.
    [[nodiscard]] std::uint8_t interrupt_pin() const noexcept { return u8(0x3d).value_or(0); }

    /// Follows the capability list (6.7) to the first capability with this id.
    /// @param name The file's path, for the message of a failure: a list that loops or leads into
    /// the header. A list that leads beyond the readable bytes is `unknown` and, if all 256 bytes
    /// should be readable, a failure.
    found find_capability(std::uint8_t id, std::string_view name, failure& f) const;

    /// Returns the number of vectors of the MSI-X capability at this offset: 1 to 2048 (6.8.2.3).
    [[nodiscard]] std::optional<std::uint32_t> msix_vectors(std::uint8_t offset) const noexcept;

  private:
    std::string bytes_;
};

} // namespace ivshmem
