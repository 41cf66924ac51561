// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>

namespace ivshmem {

/// Returns the group whose members may read and write a file; empty if it is root's, or if the file
/// or the group's name is unknown.
/// @param prefix The directory that holds `etc`. The group is looked up in etc/group only: other
/// databases could block.
std::string permitted_group(const std::string& path, const std::string& prefix = {});

/// Returns the end of a message about a file that this process may not open: the remedy.
std::string permission_remedy(const std::string& path);

} // namespace ivshmem
