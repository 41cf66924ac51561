// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/selector.hpp>

#include <string>

namespace ivshmemctl {

/// The options of every subcommand.
struct common_options {
    ivshmem::selector device{}; ///< -D or --socket; by default the only device
    bool trust_server = false;  ///< --trust-server
    std::string sysroot = "/";  ///< the directory that holds sys, dev and proc
    bool json = false;          ///< -J
    bool color = false;         ///< whether to color, from --color, NO_COLOR and the terminal
    bool quiet = false;         ///< -q: no progress and no remarks, only results and errors
    int verbosity = 0;          ///< -v
};

} // namespace ivshmemctl
