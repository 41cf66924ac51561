// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "columns.hpp"
#include "options.hpp"

#include <span>
#include <string>

namespace lsivshmem {

/// The devices as a table or a tree.
/// @throws std::runtime_error for unknown columns, std::bad_alloc.
void print_table(const options& o, std::span<const listed_device> devices);

/// The columns there are, with what they mean.
void print_columns();

} // namespace lsivshmem
