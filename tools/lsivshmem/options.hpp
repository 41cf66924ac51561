// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace lsivshmem {

/// The parsed command line.
struct options {
    bool tree = false;
    bool json = false;
    bool kernel = false;
    bool bytes = false;
    bool no_headings = false;
    bool list_columns = false;
    bool colors = false; ///< whether to color, from --color, NO_COLOR and the terminal
    int verbosity = 0;   ///< 0 to 3
    std::string columns; ///< -o; empty for the default
    std::string slot;    ///< -s, lspci syntax
    std::string id;      ///< -d, lspci syntax
    std::string sysroot = "/";
    std::vector<std::string> selectors;
};

/// Parses the command line. Returns nothing if the program is done (-h, -V) or cannot go on;
/// `status` is then the exit status.
std::optional<options> parse_options(int argc, char** argv, int& status);

} // namespace lsivshmem
