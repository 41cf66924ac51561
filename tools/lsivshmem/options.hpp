// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace lsivshmem {

/// What the command line asks for.
struct options {
    bool tree = false;
    bool json = false;
    bool kernel = false;
    bool bytes = false;
    bool no_headings = false;
    bool list_columns = false;
    bool colors = false; ///< decided: --color, NO_COLOR and the terminal considered
    int verbosity = 0;   ///< 0 to 3
    std::string columns; ///< -o; empty for the default
    std::string slot;    ///< -s, lspci syntax
    std::string id;      ///< -d, lspci syntax
    std::string sysroot = "/";
    std::vector<std::string> selectors;
};

/// Parses the command line. Nothing where the program has done its work (-h, -V) or cannot go on;
/// `status` is then what to exit with.
std::optional<options> parse_options(int argc, char** argv, int& status);

} // namespace lsivshmem
