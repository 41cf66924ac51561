// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "columns.hpp"
#include "options.hpp"

#include <span>
#include <string>

namespace lsivshmem {

/// Prints the devices as a table or a tree.
/// @throws std::runtime_error for unknown columns, std::bad_alloc.
void print_table(const options& o, std::span<const listed_device> devices);

/// Prints the columns with their meanings.
void print_columns();

} // namespace lsivshmem
