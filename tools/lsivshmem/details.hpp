// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "columns.hpp"
#include "options.hpp"

#include <span>

namespace lsivshmem {

/// -v to -vvv: a block for each device, as lspci writes them.
void print_details(const options& o, std::span<const listed_device> devices);

/// -k: a line for each device, with driver, IOMMU group and nodes below it.
void print_kernel(std::span<const listed_device> devices);

} // namespace lsivshmem
