// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "options.hpp"

#include <ivshmem/version.hpp>

#include <CLI/CLI.hpp>

namespace ivshmem_share {

namespace {

constexpr const char* description =
    R"(Opens an inter-VM shared memory device and shares it with the programs of this
machine, over a UNIX socket. A program that opens the device by its address then
gets it through this service.)";

constexpr const char* footer = R"(
A socket passed by systemd (LISTEN_FDS) is used instead of --socket. Readiness is
reported to systemd (NOTIFY_SOCKET). See ivshmem-share(8).

Exit codes: 0 ended by SIGTERM, SIGINT or SIGHUP, or the device was removed, or
-h; 1 a bad option, or the device cannot be shared: stderr says why.)";

} // namespace

std::variant<options, int> parse(int argc, const char* const* argv) {
    options o;
    CLI::App app{description, "ivshmem-share"};
    app.footer(footer);
    app.set_help_flag("-h,--help", "Show this help");
    app.set_version_flag("-V,--version", "ivshmem-share " IVSHMEM_VERSION_STRING,
                         "Show the version");
    app.add_option("DEVICE", o.device, "The device, as a PCI address or as server:PATH")
        ->required()
        ->type_name("");
    app.add_option("-S,--socket", o.socket,
                   "The UNIX socket to listen on; default: /run/ivshmem/share/ADDRESS")
        ->type_name("PATH");
    app.add_option("-g,--group", o.group, "Let this group connect; default: root only")
        ->type_name("NAME");
    app.add_option("--max-programs", o.max_programs, "The most programs at once, 1 to 1024")
        ->check(CLI::Range(1U, most_programs).description(""))
        ->capture_default_str()
        ->type_name("N");
    app.add_option("--max-programs-per-user", o.max_programs_per_user,
                   "The most programs of one user at once; 0: no limit")
        ->check(CLI::Range(0U, most_programs).description(""))
        ->capture_default_str()
        ->type_name("N");
    app.add_option("--root", o.root, "The directory that holds sys, dev and proc")
        ->capture_default_str()
        ->type_name("DIR");
    app.add_flag("-v,--verbose", o.verbose, "Log more messages");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 1;
    }
    return o;
}

} // namespace ivshmem_share
