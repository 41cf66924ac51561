// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "common_options.hpp"
#include "setup/transaction.hpp"

#include <ivshmem/device_info.hpp>

#include <string>
#include <vector>

// The common parts of bind and unbind.

namespace ivshmemctl {

/// The options of both, besides the common ones.
struct rebind_options {
    std::vector<std::string> devices;
    bool dry_run = false;
};

/// Makes the changes or, with --dry-run, prints them.
/// @throws std::runtime_error without root, with another --sysroot, or if a change fails.
void carry_out(const transaction& plan, const rebind_options& options, const common_options& common,
               const std::string& subcommand);

/// Prints how each device is bound now, as lines or JSON.
/// @param before The devices as they were.
void print_bound(const std::vector<ivshmem::device_info>& before, const common_options& common);

} // namespace ivshmemctl
