// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/v2_capability.hpp"

namespace ivshmem {

std::optional<v2_capability> read_v2_capability(const pci_config& config, const std::string& name,
                                                failure& f) {
    constexpr std::uint8_t short_form = 0x18; // it ends after the size of the output sections
    constexpr std::uint8_t long_form = 0x20;
    using answer = pci_config::found::answer;
    const auto capability = config.find_capability(pci_config::cap_vendor, name, f);
    if (f || capability.is == answer::unknown)
        return std::nullopt;
    if (capability.is == answer::absent) {
        f.set(errc::sections_invalid, "{}: has no vendor specific capability, as ivshmem-v2 must",
              name);
        return std::nullopt;
    }
    const std::size_t at = capability.offset;
    const auto length = config.u8(at + 0x02);
    const auto state_table = config.u32(at + 0x04);
    const auto read_write = config.u64(at + 0x08);
    const auto output = config.u64(at + 0x10);
    const auto base = config.u64(at + 0x18);
    if (!length || *length < short_form || !output || (*length >= long_form && !base)) {
        f.set(errc::sections_invalid, "{}: its vendor specific capability is cut short", name);
        return std::nullopt;
    }
    v2_capability found{capability.offset, {*state_table, *read_write, *output, {}}};
    if (*length >= long_form)
        found.layout.base = base;
    return found;
}

} // namespace ivshmem
