// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace ivshmem_server {

/// A line "KEY = VALUE" of a configuration file. The key is a long option's name.
struct setting {
    unsigned line = 0;
    std::string key;
    std::string value;
    std::string_view takes; ///< the values that the key takes, for messages
};

/// Reads the settings of a file, each key at most once. The caller checks the range of numbers and
/// reports a wrong value with refuse().
std::vector<setting> read_settings(const std::string& path, ivshmem::failure& f);

/// Reports that the key does not take this value, and which values it takes.
void refuse(const std::string& path, const setting& s, ivshmem::failure& f);

} // namespace ivshmem_server
