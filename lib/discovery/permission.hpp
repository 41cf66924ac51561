// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>

namespace ivshmem {

/// The group whose members may read and write a file; empty where there is none but root's, or the
/// file or the group's name is not known.
/// @param prefix Of the directory that holds `etc`; the group is looked up in etc/group, where
/// those
///        for devices are, and nowhere that could keep the caller waiting.
std::string permitted_group(const std::string& path, const std::string& prefix = {});

/// The end of a message about a file that this process may not open: what lets it.
std::string permission_remedy(const std::string& path);

} // namespace ivshmem
