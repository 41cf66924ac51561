// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "columns.hpp"
#include "options.hpp"

#include <span>

namespace lsivshmem {

/// Prints a block for each device, as lspci does: -v to -vvv.
void print_details(const options& o, std::span<const listed_device> devices);

/// Prints a line for each device, with driver, IOMMU group and nodes below it: -k.
void print_kernel(std::span<const listed_device> devices);

} // namespace lsivshmem
