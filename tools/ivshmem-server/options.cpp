// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "options.hpp"

#include "service/config_file.hpp"
#include "service/log.hpp"
#include "service/size_option.hpp"

#include <ivshmem/version.hpp>

#include <CLI/CLI.hpp>

#include <array>
#include <filesystem>
#include <iostream>
#include <optional>

namespace ivshmem_server {

namespace {

constexpr const char* description =
    R"(Gives virtual machines (QEMU's ivshmem-doorbell) and programs one shared memory
and the means to interrupt each other, over a UNIX socket. Takes the options of
QEMU's contrib/ivshmem-server.)";

constexpr const char* footer = R"(
The memory is a sealed memfd, which no client can shrink under the others, unless
-M or -m asks for a name or a directory. (QEMU's server creates the POSIX shared
memory object "ivshmem" by default: -M ivshmem does the same.) A size that is no
power of two is rounded up, because a PCI BAR must be one.

A configuration file has a line "vectors = 4" for each option, by its long name,
and comments after #; the command line overrides it. See ivshmem-server(8).

A socket passed by systemd (LISTEN_FDS) is used instead of -S and not removed.
Readiness is reported to systemd (NOTIFY_SOCKET). As a daemon the server writes
to syslog.

Exit codes: 0 ended by SIGTERM, SIGINT or SIGHUP (socket and pid file removed),
or -h, or in the parent of a daemon that listens; 1 a bad option, or the server
could not start or had to stop: stderr or syslog say why.)";

using key_kind = service::config_key::kind;
constexpr std::array keys{
    service::config_key{"size", key_kind::size,
                        "1 to 4611686018427387904 bytes, with or without a suffix K, M or G"},
    service::config_key{"vectors", key_kind::number, "a number from 1 to 256"},
    service::config_key{"max-clients", key_kind::number, "a number from 1 to 65536"},
    service::config_key{"max-clients-per-uid", key_kind::number, "a number from 1 to 65536"},
    service::config_key{"stall-timeout", key_kind::number, "0 to 86400 seconds, 0 for no limit"},
    service::config_key{"no-departures", key_kind::flag, service::takes_flag},
    service::config_key{"verbose", key_kind::flag, service::takes_flag},
    service::config_key{"shm-name", key_kind::name, "the name of a POSIX shared memory object",
                        "directory"},
    service::config_key{"directory", key_kind::path, "the absolute path of a directory",
                        "shm-name"},
    service::config_key{"socket", key_kind::path, "the absolute path of a socket"},
    service::config_key{"pid-file", key_kind::path, "the absolute path of a file"},
};
constexpr std::array<std::string_view, 4> command_line_only{"config", "foreground", "help",
                                                            "version"};

/// Sets -m DIR|NAME: QEMU's server takes a directory; its older documentation says a name.
void set_directory_or_name(options& o, const std::string& value) {
    std::error_code ignored;
    if (value.find('/') != std::string::npos || std::filesystem::is_directory(value, ignored))
        o.directory = value;
    else
        o.shm_name = value;
}

/// Returns a range check without CLI11's own description, because the option's text has the range.
CLI::Validator between(unsigned least, unsigned most) {
    return CLI::Range(least, most).description("");
}

CLI::Validator not_empty() {
    return {[](const std::string& value) { return value.empty() ? "the name is empty" : ""; }, "",
            "not empty"};
}

/// Raw values that parse() converts.
struct raw {
    std::string config;
    std::string directory_or_name;
    bool no_departures = false;
};

void declare_common(CLI::App& app, options& o, raw& r) {
    app.set_help_flag("-h,--help", "Show this help");
    app.set_version_flag("-V,--version", "ivshmem-server " IVSHMEM_VERSION_STRING,
                         "Show the version");
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast); // as getopt does
    app.add_option("-c,--config", r.config, "Read options from this file too")
        ->check(not_empty())
        ->type_name("FILE");
    app.add_flag("-v,--verbose", o.verbose, "Log more messages");
    app.add_flag("-F,--foreground", o.foreground, "Do not become a daemon");
    app.add_option("-p,--pid-file", o.pid_file, "The file for a daemon's process id")
        ->capture_default_str()
        ->type_name("FILE");
    app.add_option("-S,--socket", o.socket, "The UNIX socket to listen on")
        ->capture_default_str()
        ->check(not_empty())
        ->type_name("PATH");
    auto* const name =
        app.add_option("-M,--shm-name", o.shm_name, "Use this POSIX shared memory object")
            ->check(not_empty())
            ->type_name("NAME");
    app.add_option("-m,--directory", r.directory_or_name,
                   "Use an unnamed file in this directory, such as a hugetlbfs;\n"
                   "a word that is not a directory and has no slash is a NAME as for -M")
        ->check(not_empty())
        ->type_name("DIR|NAME")
        ->excludes(name);
    app.add_option("-l,--size", o.size, "Bytes of shared memory: 4194304, 4M, 1.5G, 0x400000")
        ->transform(CLI::Validator{service::convert_size, "", "size"})
        ->capture_default_str()
        ->type_name("SIZE");
    app.add_option("-n,--vectors", o.vectors,
                   "Interrupt vectors of each client, 1 to 256 (QEMU's devices\n"
                   "cannot ring higher ones reliably)")
        ->check(between(1, most_vectors))
        ->capture_default_str()
        ->type_name("COUNT");
}

void declare_own(CLI::App& app, options& o, raw& r) {
    app.add_option("--max-clients", o.max_clients,
                   "Refuse more clients than this, 1 to 65536; by default as many\nas the limit of "
                   "open descriptors allows")
        ->check(between(1, most_clients))
        ->type_name("COUNT");
    app.add_option("--max-clients-per-uid", o.max_clients_per_uid,
                   "Refuse more clients than this of one user, 1 to 65536; by\ndefault no limit")
        ->check(between(1, most_clients))
        ->type_name("COUNT");
    app.add_option(
           "--stall-timeout", o.stall_timeout,
           "Drop a client that does not read its messages for this time,\nup to 86400; 0: never")
        ->check(between(0, 86400))
        ->capture_default_str()
        ->type_name("SECONDS");
    app.add_flag("--no-departures", r.no_departures,
                 "Do not tell clients which peers left: QEMU crashes when a device\n"
                 "is unplugged after any peer has left");
}

/// Parses a line of a configuration file as the option of the same name.
void take(const std::string& path, const service::setting& s, options& o, raw& r,
          ivshmem::failure& f) {
    CLI::App app;
    declare_common(app, o, r);
    declare_own(app, o, r);
    const std::string option = "--" + s.key + "=" + s.value;
    const std::array<const char*, 2> line{"ivshmem-server", option.c_str()};
    try {
        app.parse(static_cast<int>(line.size()), line.data());
    } catch (const CLI::ParseError&) {
        service::refuse(path, s, f); // CLI11 does not know the file
    }
}

/// Parses the command line. Returns the exit code if there is no more to do.
std::optional<int> take_command_line(int argc, const char* const* argv, options& o, raw& r) {
    CLI::App app{description, "ivshmem-server"};
    app.footer(footer);
    declare_common(app, o, r);
    declare_own(app, o, r);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        std::cerr << "ivshmem-server: " << e.what() << "\nTry 'ivshmem-server -h'.\n";
        return 1;
    }
    // These override the other one in the file too.
    if (app.count("--shm-name") != 0)
        r.directory_or_name.clear();
    if (app.count("--directory") != 0)
        o.shm_name.clear();
    return std::nullopt;
}

} // namespace

const service::config_format config_file{"ivshmem-server(8)", keys, command_line_only};

std::variant<options, int> parse(int argc, const char* const* argv) {
    options o;
    raw r;
    if (const auto code = take_command_line(argc, argv, o, r))
        return *code;
    if (const std::string path = r.config; !path.empty()) {
        o = {};
        r = {};
        ivshmem::failure f;
        for (const auto& s : service::read_settings(path, config_file, f)) {
            if (!f)
                take(path, s, o, r, f);
        }
        if (f) {
            service::log::error("{}", f.message());
            return 1;
        }
        // Again, because the command line overrides the file.
        if (const auto code = take_command_line(argc, argv, o, r))
            return *code;
    }
    o.departures = !r.no_departures;
    if (!r.directory_or_name.empty())
        set_directory_or_name(o, r.directory_or_name);
    return o;
}

} // namespace ivshmem_server
