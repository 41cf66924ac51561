// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>

namespace ivshmem_gateway {

/// What the path of a credential of systemd begins with.
inline constexpr const char* credential_scheme = "credential:";

/// Returns the path that a setting names: as it is, or for "credential:NAME" that of the file which
/// systemd put into CREDENTIALS_DIRECTORY. Without such a directory, a credential stays as it is.
/// @param absolute Whether the path must be.
/// @param why What is wrong with the setting; empty if nothing is.
[[nodiscard]] std::string path_of(const std::string& setting, bool absolute, std::string& why);
/// Whether path_of() had no directory for it.
[[nodiscard]] bool lacks_directory(const std::string& path);

} // namespace ivshmem_gateway
