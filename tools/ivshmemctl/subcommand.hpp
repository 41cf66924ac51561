// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "command.hpp"

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace ivshmemctl {

/// A mistake on the command line, with a message for the user: "--count: takes ...".
class usage_error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The text of an option or argument in --help.
struct option_text {
    std::string names; ///< "-o,--output"; an argument's name has no dashes
    std::string type;  ///< the name of its value: "FILE"
    std::string help;
    bool required = false;
};

/// A subcommand's part of the command line. Hides CLI11, which adds ten seconds to the compilation
/// of each file that includes it.
class subcommand {
  public:
    explicit subcommand(CLI::App& app, command& chosen) : app_{app}, chosen_{chosen} {}

    /// Sets the text below the options.
    void footer(const std::string& text);
    void add_flag(const std::string& names, bool& value, const std::string& help);
    void add_option(const option_text& text, std::string& value);
    /// Adds an argument that may be repeated.
    void add_option(const option_text& text, std::vector<std::string>& values);
    /// Calls `set` with the option's value; `set` throws usage_error if the value is wrong.
    void add_option(const option_text& text, std::function<void(const std::string&)> set);
    /// Sets the subcommand's action, which may throw usage_error.
    void set_action(command action);

  private:
    CLI::App& app_;
    command& chosen_;
};

} // namespace ivshmemctl
