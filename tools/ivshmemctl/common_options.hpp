// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/selector.hpp>

#include <string>

namespace ivshmemctl {

/// What every subcommand takes.
struct common_options {
    ivshmem::selector device{}; ///< -D, or --socket; without either, the only device there is
    std::string sysroot = "/";  ///< the directory that holds sys, dev and proc
    bool json = false;          ///< -J
    bool color = false;         ///< decided: --color, NO_COLOR and the terminal considered
    bool quiet = false;         ///< -q: no progress and no remarks, only results and errors
    int verbosity = 0;          ///< -v
};

} // namespace ivshmemctl
