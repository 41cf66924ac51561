// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "service/named_setting.hpp"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace service {

/// The settings of a command line, in its order: options that begin a part, and options of the part
/// that was begun.
struct command_line {
    std::vector<named_setting> settings{};
    std::vector<std::string> configs{};
    bool check = false;

    /// Declares an option that is a setting by its long name.
    void add(CLI::App& app, const std::string& names, const char* type, const char* help) {
        const std::string name = names.substr(names.find("--"));
        app.add_option_function<std::string>(
               names,
               [this, name](const std::string& value) {
                   settings.push_back({.where = name, .key = name.substr(2), .value = value});
               },
               help)
            ->type_name(type)
            ->trigger_on_parse();
    }

    /// The same without a value.
    void add_flag(CLI::App& app, const std::string& names, const char* help) {
        const std::string name = names.substr(names.find("--"));
        app.add_flag_callback(
               names,
               [this, name] {
                   settings.push_back({.where = name, .key = name.substr(2), .value = "true"});
               },
               help)
            ->trigger_on_parse();
    }

    /// Declares --config and --check.
    void add_configuration(CLI::App& app) {
        app.add_option("-c,--config", configs,
                       "Read options from this file too, or from each *.conf of this\ndirectory")
            ->type_name("PATH")
            ->allow_extra_args(false);
        app.add_flag("--check", check, "Check the configuration, and exit");
    }
};

} // namespace service
