// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include "base/failure.hpp"
#include "service/log.hpp"
#include "service/named_setting.hpp"

#include <CLI/CLI.hpp>

#include <iostream>
#include <string>
#include <variant>
#include <vector>

namespace service {

/// The exit status after a bad option or configuration.
inline constexpr int exit_bad_configuration = 2;

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

    /// Reads the command line, and makes the options of the settings. Writes faults, or what an
    /// option such as --help asks for.
    /// @param build Called with this and a failure.
    /// @return The options, or the exit status.
    template <typename Options, typename Build>
    std::variant<Options, int> parse(CLI::App& app, int argc, const char* const* argv,
                                     const Build& build) {
        try {
            app.parse(argc, argv);
        } catch (const CLI::Success& e) {
            return app.exit(e);
        } catch (const CLI::ParseError& e) {
            const std::string& name = app.get_name();
            std::cerr << name << ": " << e.what() << "\nTry '" << name << " -h'.\n";
            return exit_bad_configuration;
        }
        ivshmem::failure f;
        auto made = build(*this, f);
        if (!f)
            return made;
        log::error("{}", f.message());
        return exit_bad_configuration;
    }
};

} // namespace service
