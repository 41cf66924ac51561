// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/pci_config.hpp"

#include <bitset>

namespace ivshmem {
namespace {

// PCI 3.0, 6.2.3: bit 4 of the status register is set if there is a capability list.
constexpr std::size_t reg_status = 0x06;
constexpr std::uint16_t status_capabilities = 1U << 4U;
// PCI 3.0, 6.7: the list begins here; the two low bits of every pointer are reserved.
constexpr std::size_t reg_capabilities = 0x34;
constexpr unsigned pointer_mask = 0xfc;
// PCI 3.0, 6.8.2.3: message control follows id and next pointer; bits 10:0 are table size - 1.
constexpr std::size_t msix_control = 2;
constexpr std::uint16_t msix_table_size = 0x7ff;

template <typename T>
std::optional<T> little_endian(const std::string& bytes, std::size_t offset) noexcept {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T))
        return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = sizeof(T); i-- > 0;)
        value = value << 8U | static_cast<unsigned char>(bytes[offset + i]);
    return static_cast<T>(value);
}

} // namespace

std::optional<std::uint8_t> pci_config::u8(std::size_t offset) const noexcept {
    return little_endian<std::uint8_t>(bytes_, offset);
}
std::optional<std::uint16_t> pci_config::u16(std::size_t offset) const noexcept {
    return little_endian<std::uint16_t>(bytes_, offset);
}
std::optional<std::uint32_t> pci_config::u32(std::size_t offset) const noexcept {
    return little_endian<std::uint32_t>(bytes_, offset);
}
std::optional<std::uint64_t> pci_config::u64(std::size_t offset) const noexcept {
    return little_endian<std::uint64_t>(bytes_, offset);
}

pci_config::found pci_config::find_capability(std::uint8_t id, std::string_view name,
                                              failure& f) const {
    const auto status = u16(reg_status);
    if (!status)
        return {found::answer::unknown};
    if ((*status & status_capabilities) == 0)
        return {found::answer::absent};

    std::bitset<size> seen;
    auto next = u8(reg_capabilities);
    while (next) {
        const auto at = static_cast<std::uint8_t>(*next & pointer_mask);
        if (at == 0)
            return {found::answer::absent};
        if (at < header_size) {
            f.set(errc::sysfs_malformed,
                  "{}: the capability list leads into the header, to {:#04x}", name, at);
            return {found::answer::unknown};
        }
        if (seen.test(at)) {
            f.set(errc::sysfs_malformed,
                  "{}: the capability list goes round in a circle at {:#04x}", name, at);
            return {found::answer::unknown};
        }
        seen.set(at);
        const auto here = u8(at);
        if (here == id)
            return {found::answer::present, at};
        next = here ? u8(at + std::size_t{1}) : std::nullopt;
    }
    if (readable() > header_size)
        f.set(errc::sysfs_malformed, "{}: ends after {} bytes, inside the capability list", name,
              readable());
    return {found::answer::unknown};
}

std::optional<std::uint32_t> pci_config::msix_vectors(std::uint8_t offset) const noexcept {
    const auto control = u16(offset + msix_control);
    if (!control)
        return std::nullopt;
    return (*control & msix_table_size) + 1U;
}

} // namespace ivshmem
