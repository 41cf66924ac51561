// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace service {

/// A key of a configuration file.
struct config_key {
    enum class kind {
        number, ///< the option of that name checks its range
        size,   ///< the same
        flag,
        name,
        path, ///< absolute, because a service's working directory is unknown
    };

    std::string_view name;
    kind what;
    std::string_view takes;      ///< the values that it takes, for messages
    std::string_view excludes{}; ///< another key that means the same thing
    bool repeats = false;        ///< it may be set several times
};
inline constexpr std::string_view takes_flag = "true or false";

/// The configuration file of a program.
struct config_format {
    std::string_view manual;          ///< describes the file, such as "ivshmem-server(8)"
    std::span<const config_key> keys; ///< the long options
    /// Options that are rejected in a file, because they belong to the start of the program.
    std::span<const std::string_view> command_line_only;
};

/// A line "KEY = VALUE" of a configuration file. The key is a long option's name.
struct setting {
    unsigned line = 0;
    std::string key;
    std::string value;
    std::string_view takes; ///< the values that the key takes, for messages
};

/// Reads the settings of a file. The caller checks the range of numbers and reports a wrong value
/// with refuse().
std::vector<setting> read_settings(const std::string& path, const config_format& format,
                                   ivshmem::failure& f);

/// Reports that the key does not take this value, and which values it takes.
void refuse(const std::string& path, const setting& s, ivshmem::failure& f);

} // namespace service
