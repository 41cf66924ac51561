// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "subcommand.hpp"

#include <memory>
#include <string>

namespace ivshmemctl {

/// The command line of the tool, with all subcommands.
class subcommands {
  public:
    subcommands();
    subcommands(subcommands&&) = delete;
    ~subcommands();

    subcommand add(const std::string& name, const std::string& help);
    /// Parses the command line and runs the subcommand.
    /// @return The exit status.
    int run(int argc, char** argv);

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace ivshmemctl
