// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "options.hpp"

#include <CLI/CLI.hpp>

#include <filesystem>
#include <iostream>

namespace server {

namespace {

constexpr const char* description =
    R"(Gives virtual machines (QEMU's ivshmem-doorbell) and programs one shared memory
and the means to interrupt each other, over a UNIX socket. Takes the options of
QEMU's contrib/ivshmem-server.)";

constexpr const char* footer = R"(
The memory is a sealed memfd, which no client can shrink under the others, unless
-M or -m asks for a name or a directory. (QEMU's server creates the POSIX shared
memory object "ivshmem" by default: -M ivshmem does the same.) A size that is no
power of two is rounded up, because a PCI BAR has to be one.

A socket passed by systemd (LISTEN_FDS) is used instead of -S and not removed.
Readiness is reported to systemd (NOTIFY_SOCKET). As a daemon the server writes
to syslog.

Exit codes: 0 ended by SIGTERM, SIGINT or SIGHUP (socket and pid file removed),
or -h, or in the parent of a daemon that listens; 1 a bad option, or the server
could not start or had to stop: stderr or syslog say why.)";

/// -m DIR|NAME: QEMU's server takes a directory; its older documentation, a name.
void set_directory_or_name(options& o, const std::string& value) {
    std::error_code ignored;
    if (value.find('/') != std::string::npos || std::filesystem::is_directory(value, ignored))
        o.directory = value;
    else
        o.shm_name = value;
}

/// A range that the description names, instead of CLI11's own words beside the option.
CLI::Validator between(unsigned least, unsigned most) {
    return CLI::Range(least, most).description("");
}

/// What parse() has to look at again.
struct raw {
    std::string directory_or_name;
    bool no_departures = false;
};

void declare_common(CLI::App& app, options& o, raw& r) {
    app.set_help_flag("-h,--help", "Show this help");
    app.set_version_flag("-V,--version", "ivshmem-server " IVSHMEM_VERSION, "Show the version");
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast); // as getopt does
    app.add_flag("-v,--verbose", o.verbose, "Say more about what happens");
    app.add_flag("-F,--foreground", o.foreground, "Do not become a daemon");
    app.add_option("-p,--pid-file", o.pid_file, "Where a daemon writes its process id")
        ->capture_default_str()
        ->type_name("FILE");
    app.add_option("-S,--socket", o.socket, "The UNIX socket to listen on")
        ->capture_default_str()
        ->type_name("PATH");
    const CLI::Validator not_empty{
        [](const std::string& value) { return value.empty() ? "the name is empty" : ""; }, "",
        "not empty"};
    auto* const name =
        app.add_option("-M,--shm-name", o.shm_name, "Use this POSIX shared memory object")
            ->check(not_empty)
            ->type_name("NAME");
    app.add_option("-m,--directory", r.directory_or_name,
                   "Use an unnamed file in this directory, such as a hugetlbfs;\n"
                   "a word that is no directory and has no slash is a NAME as for -M")
        ->check(not_empty)
        ->type_name("DIR|NAME")
        ->excludes(name);
    app.add_option("-l,--size", o.size, "Bytes of shared memory; suffixes K, M, G")
        ->transform(CLI::AsSizeValue(false).description(""))
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
                   "Refuse more clients than this, 1 to 65536; by default as many\n"
                   "are served as the limit of open descriptors admits")
        ->check(between(1, most_clients))
        ->type_name("COUNT");
    app.add_option("--stall-timeout", o.stall_timeout,
                   "Drop a client that has not read what it was sent for so long,\n"
                   "up to 86400; 0: never")
        ->check(between(0, 86400))
        ->capture_default_str()
        ->type_name("SECONDS");
    app.add_flag("--no-departures", r.no_departures,
                 "Do not tell clients which peers left: QEMU crashes when a device\n"
                 "is unplugged after any peer has left");
}

} // namespace

std::variant<options, int> parse(int argc, const char* const* argv) {
    options o;
    raw r;
    CLI::App app{description, "ivshmem-server"};
    app.footer(footer);
    declare_common(app, o, r);
    declare_own(app, o, r);
    try {
        app.parse(argc, argv);
        if (o.size == 0)
            throw CLI::ValidationError("--size", "the shared memory cannot have 0 bytes");
        if (o.size > std::uint64_t{1} << 62)
            throw CLI::ValidationError("--size", "no memory is larger than 4 EiB");
        if (o.socket.empty())
            throw CLI::ValidationError("--socket", "the path is empty");
    } catch (const CLI::Success& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        std::cerr << "ivshmem-server: " << e.what() << "\nTry 'ivshmem-server -h'.\n";
        return 1;
    }
    o.departures = !r.no_departures;
    if (!r.directory_or_name.empty())
        set_directory_or_name(o, r.directory_or_name);
    return o;
}

} // namespace server
