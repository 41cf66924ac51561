// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <string>
#include <variant>

namespace ivshmem_share {

inline constexpr unsigned most_programs = 1024;

/// The settings from the command line.
struct options {
    std::string device;
    std::string socket; ///< empty: by the device's address
    std::string group;  ///< of the socket; empty: as it is created
    std::string root = "/";
    unsigned max_programs = 64;
    unsigned max_programs_per_user = 0; ///< 0: no limit
    bool verbose = false;
};

/// Returns the options; or the exit code if there is no more to do, after a message to the user.
std::variant<options, int> parse(int argc, const char* const* argv);

} // namespace ivshmem_share
