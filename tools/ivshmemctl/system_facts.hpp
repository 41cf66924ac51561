// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ivshmemctl {

/// A fact that the reader of a bug report needs.
struct fact {
    std::string name; ///< "kernel"
    std::string value;
};

/// Returns facts about this tool, the kernel, the machine and this process. Facts that cannot be
/// read are left out.
/// @param root The directory that holds sys, proc and etc.
std::vector<fact> system_facts(const std::filesystem::path& root);

} // namespace ivshmemctl
