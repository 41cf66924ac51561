// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ivshmemctl {

/// Something that who reads a bug report asks for.
struct fact {
    std::string name; ///< "kernel"
    std::string value;
};

/// What can be known of this tool, the kernel, the machine and this process; what cannot be read is
/// left out.
/// @param root The directory that holds sys, proc and etc.
std::vector<fact> system_facts(const std::filesystem::path& root);

} // namespace ivshmemctl
