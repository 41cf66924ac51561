// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>

namespace ivshmem {

/// The group whose members may read and write a file; empty where there is none but root's, or the
/// file or the group's name is not known.
std::string permitted_group(const std::string& path);

/// The end of a message about a file that this process may not open: what lets it.
std::string permission_remedy(const std::string& path);

} // namespace ivshmem
