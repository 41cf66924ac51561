// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/v2_registers.hpp"

namespace ivshmem {

v2_registers::identity v2_registers::identify(const std::string& name, failure& f) const {
    constexpr std::uint32_t least = 2;
    constexpr std::uint32_t most = 65536;
    const std::uint32_t own = read(id);
    const std::uint32_t peers = read(max_peers);
    if (own == ~0U && peers == ~0U) {
        f.set(
            errc::device_gone,
            "{}: the registers read as all-ones: the device does not answer; was it unplugged, or "
            "is it disabled?",
            name);
        return {};
    }
    if (peers < least || peers > most || own >= peers) {
        f.set(errc::sections_invalid,
              "{}: register ID reads {:#x} and Maximum Peers {:#x}: at least {} peers, at most {}, "
              "and an id below their number were expected; is it an ivshmem-v2 device? see lspci "
              "-vv -s {}",
              name, own, peers, least, most, name);
        return {};
    }
    return {static_cast<std::uint16_t>(own), peers};
}

} // namespace ivshmem
