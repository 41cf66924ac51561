// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"
#include "setup/transaction.hpp"

#include <ivshmem/device_info.hpp>

#include <string>
#include <vector>

// What bind and unbind have in common.

namespace ivshmemctl {

/// What both take besides the common options.
struct rebind_options {
    std::vector<std::string> devices;
    bool dry_run = false;
};

/// Makes the changes or, with --dry-run, prints them.
/// @throws std::runtime_error: no root, another root directory, a change that failed.
void carry_out(const transaction& plan, const rebind_options& options, const common_options& common,
               const std::string& subcommand);

/// Prints a line a device, or JSON: how it is bound now.
/// @param before The devices as they were.
void print_bound(const std::vector<ivshmem::device_info>& before, const common_options& common);

} // namespace ivshmemctl
