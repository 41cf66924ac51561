// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "pci_access.hpp"

#include <ivshmem/device_info.hpp>

namespace lsivshmem {

/// Prints the part of -vvv: command register, capabilities and the readable bytes of the
/// configuration space.
void print_config_space(pci_library& pci, const ivshmem::device_info& info);

} // namespace lsivshmem
