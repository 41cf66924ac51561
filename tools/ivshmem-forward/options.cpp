// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "options.hpp"

#include "options_builder.hpp"
#include "service/command_line.hpp"

#include <ivshmem/version.hpp>

#include <CLI/CLI.hpp>

#include <array>
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

void declare(CLI::App& app, service::command_line& line) {
    app.set_help_flag("-h,--help", "Show this help");
    app.set_version_flag("-V,--version", "ivshmem-forward " IVSHMEM_VERSION_STRING,
                         "Show the version");
    line.add_configuration(app);
    app.get_option("--check")->description(
        "Check the configuration, and exit; with -v print its services");
    line.add_flag(app, "-v,--verbose", "Log the beginning of connections too");
    line.add(app, "-D,--device", "DEVICE", "The device to use; by default the only one");
    line.add(app, "--socket", "PATH", "Join the ivshmem server that listens there instead");
    line.add_flag(app, "--trust-server",
                  "Use the memory of the server although its clients can shrink it");
    line.add(app, "--slot", "N", "The slot of channels to take; by default the first free one");
    line.add_flag(app, "--reformat",
                  "Use the memory even if it holds other data, or channels of\nanother geometry");
    line.add(app, "--listen", "ADDRESS", "Listen there, for the service that --to names");
    line.add(app, "--to", "SERVICE", "A service of a peer, or NAME@SLOT for that of one slot");
    line.add(app, "--wait", "SECONDS",
             "The time that a client waits for the service, 1 to 3600; by\ndefault 5");
    line.add(app, "--mode", "MODE", "The mode of the UNIX socket, such as 0660");
    line.add(app, "--offer", "SERVICE", "Offer a service, of the program that --from names");
    line.add(app, "--from", "ADDRESS", "Where the program that serves listens");
    line.add(app, "--allow", "SLOTS", "The slots that may connect, as in 1,2; by default all");
    line.add(
        app, "--connections", "COUNT",
        "The most connections at once: of all clients after --listen, of\neach peer after --offer; "
        "by default 1024");
}

options build(const service::command_line& line, failure& f) {
    options_builder made;
    for (const auto& config : line.configs)
        if (!f)
            service::read_files(
                config, config_file, [&](const auto& s) { made.take(s, f); },
                [&] { made.end_source(f); }, f);
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
    service::command_line line;
    CLI::App app{description, "ivshmem-forward"};
    app.footer(footer);
    declare(app, line);
    return line.parse<options>(app, argc, argv, build);
}

} // namespace ivshmem_forward
