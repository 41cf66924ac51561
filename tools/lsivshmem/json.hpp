// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "columns.hpp"
#include "options.hpp"

#include <span>

namespace lsivshmem {

/// The member "version" of the JSON output. It grows by one when a member is renamed, removed or
/// changes its meaning, not when one is added.
inline constexpr int json_version = 1;

/// Prints {"version": 1, "devices": [{...}, ...]}, with a member for each column, named as the
/// column in lower case. Numbers are numbers, sizes are in bytes, unknown or absent values are
/// null.
/// @throws std::runtime_error for unknown columns.
void print_json(const options& o, std::span<const listed_device> devices);

} // namespace lsivshmem
