// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/other_registers.hpp"

#include "discovery/diagnosis.hpp"

namespace ivshmem {

namespace {
constexpr std::uint32_t not_there = 0xffffffffU; // ACRN: reserved registers
}

void refuse_other_registers(const registers& regs, const device_info& info, failure& f) {
    if (!may_have_other_registers(info))
        return;
    const std::string name = to_string(info.address);
    const auto size = info.bars[0].size;
    // Revision 0 is QEMU's before 2.6, whose BAR0 always has 256 bytes.
    if (info.revision == 0)
        return f.set(errc::protocol_unsupported,
                     "{}: its registers are not those of ivshmem v1, although its PCI id is: BAR0 "
                     "of revision 0 has {} bytes instead of {}",
                     name, size, v1_register_bytes);
    // Reserved in revision 1: QEMU returns 0, others 0 or all ones. ivshmem-v2 has MaxPeers here.
    const std::uint32_t reserved = regs.read(registers::intr_status);
    if (reserved == 0 || reserved == not_there)
        return;
    f.set(
        errc::protocol_unsupported,
        "{}: its registers are not those of ivshmem v1, although its PCI id is: BAR0 has {} bytes "
        "instead of {}, and {:#x} at 4, which v1 reserves and ivshmem-v2 has its number of peers "
        "in (AxVisor has such a device): the library does not know this device",
        name, size, v1_register_bytes, reserved);
}

} // namespace ivshmem
