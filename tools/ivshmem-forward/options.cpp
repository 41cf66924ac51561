// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "options.hpp"

#include "base/text.hpp"
#include "options_builder.hpp"
#include "service/log.hpp"

#include <ivshmem/version.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iostream>
#include <string_view>

namespace ivshmem_forward {
namespace {

using ivshmem::failure;
using kind = service::config_key::kind;

constexpr const char* description =
    R"(Joins TCP and UNIX sockets of two VMs over inter-VM shared memory: it listens in
one VM, and connects in the other one. Nothing is offered by default.)";

constexpr const char* footer = R"(
An ADDRESS is tcp:HOST:PORT, tcp:[IPV6]:PORT or unix:PATH. The other side of a
service may be "ivshmemctl offer" or "ivshmemctl connect".

A configuration file has a line "listen = tcp:127.0.0.1:8080" for each option, by
its long name, and comments after #. See ivshmem-forward(8).

Readiness is reported to systemd (NOTIFY_SOCKET).

Exit codes: 0 ended by SIGTERM, SIGINT or SIGHUP, or -h, or --check found no
fault; 1 the device or a socket could not be used, or the device was lost; 2 a
bad option or configuration: stderr says why.)";

constexpr std::string_view takes_address = "tcp:HOST:PORT, tcp:[IPV6]:PORT or unix:PATH";
constexpr bool repeats = true;
constexpr std::array keys{
    service::config_key{"device", kind::name, "a PCI address, or another name of a device"},
    service::config_key{"socket", kind::path, "the absolute path of a server's socket", "device"},
    service::config_key{"trust-server", kind::flag, service::takes_flag},
    service::config_key{"slot", kind::number, "a number from 0 to 255"},
    service::config_key{"verbose", kind::flag, service::takes_flag},
    service::config_key{"listen", kind::name, takes_address, {}, repeats},
    service::config_key{"to", kind::name, "the name of a service, or NAME@SLOT", {}, repeats},
    service::config_key{"wait", kind::number, "seconds, 1 to 3600", {}, repeats},
    service::config_key{"mode", kind::name, "an octal mode, such as 0660", {}, repeats},
    service::config_key{"offer", kind::name, "the name of a service", {}, repeats},
    service::config_key{"from", kind::name, takes_address, {}, repeats},
    service::config_key{"allow", kind::name, "slots, as in 1,2", {}, repeats},
    service::config_key{"connections", kind::number, "a number from 1 to 65536", {}, repeats},
};
/// --reformat too: data of others must not be lost at each start.
constexpr std::array<std::string_view, 5> command_line_only{"config", "check", "help", "reformat",
                                                            "version"};

/// The settings of the command line, in its order.
struct command_line {
    std::vector<options_builder::named> settings{};
    std::vector<std::string> configs{};
    bool check = false;
};

void add(CLI::App& app, command_line& line, const std::string& names, const char* type,
         const char* help) {
    const std::string name = names.substr(names.find("--"));
    app.add_option_function<std::string>(
           names,
           [&line, name](const std::string& value) {
               line.settings.push_back({.where = name, .key = name.substr(2), .value = value});
           },
           help)
        ->type_name(type)
        ->trigger_on_parse();
}

void add_flag(CLI::App& app, command_line& line, const std::string& names, const char* help) {
    const std::string name = names.substr(names.find("--"));
    app.add_flag_callback(
        names,
        [&line, name] {
            line.settings.push_back({.where = name, .key = name.substr(2), .value = "true"});
        },
        help);
}

void declare(CLI::App& app, command_line& line) {
    app.set_help_flag("-h,--help", "Show this help");
    app.set_version_flag("-V,--version", "ivshmem-forward " IVSHMEM_VERSION_STRING,
                         "Show the version");
    app.add_option("-c,--config", line.configs,
                   "Read options from this file too, or from each *.conf of this\ndirectory")
        ->type_name("PATH")
        ->allow_extra_args(false);
    app.add_flag("--check", line.check,
                 "Check the configuration, and exit; with -v print its services");
    add_flag(app, line, "-v,--verbose", "Log the beginning of connections too");
    add(app, line, "-D,--device", "DEVICE", "The device to use; by default the only one");
    add(app, line, "--socket", "PATH", "Join the ivshmem server that listens there instead");
    add_flag(app, line, "--trust-server",
             "Use the memory of the server although its clients can shrink it");
    add(app, line, "--slot", "N", "The slot of channels to take; by default the first free one");
    add_flag(app, line, "--reformat",
             "Use the memory even if it holds other data, or channels of\nanother geometry");
    add(app, line, "--listen", "ADDRESS", "Listen there, for the service that --to names");
    add(app, line, "--to", "SERVICE", "A service of a peer, or NAME@SLOT for that of one slot");
    add(app, line, "--wait", "SECONDS",
        "The time that a client waits for the service, 1 to 3600; by\ndefault 5");
    add(app, line, "--mode", "MODE", "The mode of the UNIX socket, such as 0660");
    add(app, line, "--offer", "SERVICE", "Offer a service, of the program that --from names");
    add(app, line, "--from", "ADDRESS", "Where the program that serves listens");
    add(app, line, "--allow", "SLOTS", "The slots that may connect, as in 1,2; by default all");
    add(app, line, "--connections", "COUNT",
        "The most connections at once: of all clients after --listen, of\neach peer after --offer; "
        "by default 1024");
}

/// Returns the file, or those of a directory in the order of their names.
std::vector<std::string> files_of(const std::string& path, failure& f) {
    std::error_code ec;
    if (!std::filesystem::is_directory(path, ec))
        return {path};
    std::vector<std::string> files;
    auto at = std::filesystem::directory_iterator{path, ec};
    for (; !ec && at != std::filesystem::directory_iterator{}; at.increment(ec))
        if (const auto name = at->path().filename().string();
            name.ends_with(".conf") && !name.starts_with('.'))
            files.push_back(at->path().string());
    if (ec)
        f.set(ec, path + ": cannot list the configuration: " + ec.message());
    std::sort(files.begin(), files.end());
    return files;
}

void take_file(const std::string& path, options_builder& into, failure& f) {
    for (const auto& s : service::read_settings(path, config_file, f)) {
        if (!f)
            into.take({.where = ivshmem::formatted("{}:{}: {}", path, s.line, s.key),
                       .key = s.key,
                       .value = s.value,
                       .in_file = true},
                      f);
    }
    into.end_source(f);
}

options build(const command_line& line, failure& f) {
    options_builder made;
    for (const auto& config : line.configs)
        for (const auto& path : files_of(config, f))
            if (!f)
                take_file(path, made, f);
    for (const auto& s : line.settings)
        if (!f)
            made.take(s, f);
    made.end_source(f);
    auto& result = made.result();
    result.check = line.check;
    if (!f && result.listens.empty() && result.offers.empty())
        f.set(std::make_error_code(std::errc::invalid_argument),
              "nothing is forwarded; use --listen and --to, --offer and --from, or write them to "
              "a file, as in /etc/ivshmem/forward.d/web.conf");
    return result;
}

} // namespace

const service::config_format config_file{"ivshmem-forward(8)", keys, command_line_only};

std::variant<options, int> parse(int argc, const char* const* argv) {
    command_line line;
    CLI::App app{description, "ivshmem-forward"};
    app.footer(footer);
    declare(app, line);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        std::cerr << "ivshmem-forward: " << e.what() << "\nTry 'ivshmem-forward -h'.\n";
        return exit_bad_configuration;
    }
    failure f;
    auto made = build(line, f);
    if (!f)
        return made;
    service::log::error("{}", f.message());
    return exit_bad_configuration;
}

} // namespace ivshmem_forward
