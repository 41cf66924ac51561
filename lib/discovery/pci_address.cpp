// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"

#include <ivshmem/pci_address.hpp>

#include <charconv>

namespace ivshmem {
namespace {

/// Removes a hexadecimal number of min to max digits from the front of text.
std::optional<std::uint32_t> take_hex(std::string_view& text, std::size_t min, std::size_t max) {
    std::uint32_t value = 0;
    const auto* begin = text.data();
    const auto result = std::from_chars(begin, begin + text.size(), value, 16);
    const auto digits = static_cast<std::size_t>(result.ptr - begin);
    if (result.ec != std::errc{} || digits < min || digits > max)
        return std::nullopt;
    text.remove_prefix(digits);
    return value;
}

bool take(std::string_view& text, char c) {
    if (text.empty() || text.front() != c)
        return false;
    text.remove_prefix(1);
    return true;
}

} // namespace

std::optional<pci_address> parse_pci_address(std::string_view text) {
    pci_address address;
    if (const auto first = text.find(':'); first != text.rfind(':')) {
        const auto domain = take_hex(text, 4, 8);
        if (!domain || !take(text, ':'))
            return std::nullopt;
        address.domain = *domain;
    }
    const auto bus = take_hex(text, 2, 2);
    if (!bus || !take(text, ':'))
        return std::nullopt;
    const auto device = take_hex(text, 2, 2);
    if (!device || *device > 0x1f || !take(text, '.'))
        return std::nullopt;
    const auto function = take_hex(text, 1, 1);
    if (!function || *function > 7 || !text.empty())
        return std::nullopt;
    address.bus = static_cast<std::uint8_t>(*bus);
    address.device = static_cast<std::uint8_t>(*device);
    address.function = static_cast<std::uint8_t>(*function);
    return address;
}

std::string to_string(const pci_address& address) {
    return formatted("{:04x}:{:02x}:{:02x}.{:x}", address.domain, address.bus, address.device,
                     address.function);
}

} // namespace ivshmem
