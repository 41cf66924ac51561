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

/// What is wrong with the command line, for people: "--count: takes ...".
class usage_error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// How an option, or an argument, is shown.
struct option_text {
    std::string names; ///< "-o,--output"; an argument's is without dashes
    std::string type;  ///< what it takes: "FILE"
    std::string help;
    bool required = false;
};

/// A subcommand's part of the command line. CLI11 is behind it, because it takes ten seconds to
/// compile in each file that includes it.
class subcommand {
  public:
    explicit subcommand(CLI::App& app, command& chosen) : app_{app}, chosen_{chosen} {}

    /// The text below the options.
    void footer(const std::string& text);
    void add_flag(const std::string& names, bool& value, const std::string& help);
    void add_option(const option_text& text, std::string& value);
    /// An argument that can be given any number of times.
    void add_option(const option_text& text, std::vector<std::string>& values);
    /// `set` is given what the option takes, and throws usage_error.
    void add_option(const option_text& text, std::function<void(const std::string&)> set);
    /// What the subcommand does; it may throw usage_error.
    void runs(command what);

  private:
    CLI::App& app_;
    command& chosen_;
};

} // namespace ivshmemctl
