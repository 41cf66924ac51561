// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "color.hpp"
#include "command.hpp"
#include "exit_status.hpp"

#include <ivshmem/error.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdint>
#include <cstdio>
#include <exception>

namespace ivshmemctl {
namespace {

constexpr const char* footer = R"(
A DEVICE is a PCI address (0000:00:04.0 or 00:04.0), index:N, region:N (ACRN), size:N[K|M|G],
server:PATH (the socket of an ivshmem server, on the host) or any. Without -D the only device.

Exit status: 0 success, 1 failure, 32 no device found, 64 something is wrong or was left undone,
124 the time given was over.)";

/// What the options that need more than CLI11 are before they are looked at.
struct raw_options {
    std::string device;
    std::string socket;
    std::string color = "auto";
};

void add_common(CLI::App& app, common_options& common, raw_options& raw) {
    app.set_help_flag("-h,--help", "print this help");
    app.set_version_flag("-V,--version", "ivshmemctl " IVSHMEM_VERSION, "print the version");
    auto* device = app.add_option("-D,--device", raw.device, "the device to use");
    device->type_name("DEVICE");
    app.add_option("--socket", raw.socket, "join the ivshmem server that listens there")
        ->type_name("PATH")
        ->excludes(device);
    app.add_flag("-J,--json", common.json, "print JSON");
    app.add_flag("-q,--quiet", common.quiet, "print results and errors only");
    app.add_flag(
        "-v,--verbose", [&](std::int64_t count) { common.verbosity = static_cast<int>(count); },
        "say more");
    app.add_option("--sysroot", common.sysroot, "read sys, dev and proc under this directory")
        ->type_name("DIR");
    app.add_flag("--color{always}", raw.color,
                 "color the output: always, auto (the default) or never")
        ->type_name("[=WHEN]");
}

void look_at(const raw_options& raw, common_options& common) {
    if (raw.color != "always" && raw.color != "auto" && raw.color != "never")
        throw CLI::ValidationError{"--color", "takes always, auto or never"};
    if (common.sysroot.empty())
        throw CLI::ValidationError{"--sysroot", "takes a directory"};
    if (!raw.socket.empty())
        common.device = ivshmem::selector::server(raw.socket);
    else if (!raw.device.empty())
        common.device = ivshmem::selector::parse(raw.device);
    common.color = tools::wants_color(raw.color);
}

int run(int argc, char** argv) {
    common_options common;
    raw_options raw;
    command chosen;
    CLI::App app{"Set up, test and use inter-VM shared memory devices.", "ivshmemctl"};
    app.footer(footer);
    app.fallthrough(); // the common options may stand behind the subcommand, too
    app.require_subcommand(1);
    add_common(app, common, raw);
    for (const auto add :
         {add_bench, add_bind, add_doctor, add_dump, add_fill, add_info, add_monitor, add_peers,
          add_ping, add_read, add_ring, add_serve, add_unbind, add_wait, add_write})
        add(app, chosen);

    try {
        app.parse(argc, argv);
        look_at(raw, common);
    } catch (const CLI::Success& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        complain(std::string{e.what()} + "; see ivshmemctl --help");
        return tools::exit_failure;
    }
    int status = chosen(common);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        complain("the output could not be written");
        status = tools::exit_failure;
    }
    return status;
}

} // namespace

void complain(const std::string& line) {
    std::fflush(stdout); // what was found comes before what was not
    fmt::print(stderr, "ivshmemctl: {}\n", line);
}

} // namespace ivshmemctl

int main(int argc, char** argv) {
    try {
        return ivshmemctl::run(argc, argv);
    } catch (const ivshmem::error& e) {
        ivshmemctl::complain(e.what());
        return e.code() == ivshmem::errc::device_not_found ? tools::exit_none_found
                                                           : tools::exit_failure;
    } catch (const std::exception& e) {
        ivshmemctl::complain(e.what());
        return tools::exit_failure;
    }
}
