// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "credential.hpp"

#include <cstdlib>
#include <string_view>

namespace ivshmem_gateway {

std::string path_of(const std::string& setting, bool absolute, std::string& why) {
    if (!setting.starts_with(credential_scheme)) {
        if (setting.empty() || (absolute && setting.front() != '/'))
            why = "it takes an absolute path, or credential:NAME";
        return setting;
    }
    const auto name = setting.substr(std::string_view{credential_scheme}.size());
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
        why = setting + ": the name of a credential is that of a file, without /";
        return setting;
    }
    const char* const directory = std::getenv("CREDENTIALS_DIRECTORY"); // NOLINT: one thread
    return directory == nullptr || *directory == '\0' ? setting
                                                      : std::string{directory} + '/' + name;
}

bool lacks_directory(const std::string& path) {
    return path.starts_with(credential_scheme);
}

} // namespace ivshmem_gateway
