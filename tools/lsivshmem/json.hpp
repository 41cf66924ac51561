// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "columns.hpp"
#include "options.hpp"

#include <span>

namespace lsivshmem {

/// The member "version" of the JSON output: grows by one when a member is renamed, removed or
/// changes its meaning, not when one is added.
inline constexpr int json_version = 1;

/// {"version": 1, "devices": [{...}, ...]}: a member a column, named as the column in lower case;
/// numbers are numbers, sizes are bytes, what is not known or not there is null.
/// @throws std::runtime_error for unknown columns.
void print_json(const options& o, std::span<const listed_device> devices);

} // namespace lsivshmem
