// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "backends/registers.hpp"
#include "base/failure.hpp"

#include <ivshmem/device_info.hpp>

namespace ivshmem {

/// Refuses a device that has v1's PCI ids and other registers, as AxVisor's, before anything is
/// taken from them or written to them: errc::protocol_unsupported. On a v1 device it reads nothing,
/// or a register that is reserved there; never IntrStatus of revision 0, which reading clears.
void refuse_other_registers(const registers& regs, const device_info& info, failure& f);

} // namespace ivshmem
