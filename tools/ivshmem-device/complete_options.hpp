// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "options.hpp"

#include <cstddef>
#include <functional>
#include <string>

namespace ivshmem_device {

/// The parts of the command line that are not yet options.
struct raw_options {
    std::string profile_name;
    unsigned late = 0;
    bool no_bar2 = false;
    std::function<bool(const char* option)> is_given;
};

/// Completes the defaults of a profile, and checks that its options fit together.
/// @param passed The number of sockets that systemd passed.
/// @return what is wrong; empty if nothing is.
std::string complete(options& o, const raw_options& r, std::size_t passed);

} // namespace ivshmem_device
