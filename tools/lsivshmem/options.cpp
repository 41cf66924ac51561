// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "options.hpp"

#include "common/color.hpp"
#include "common/exit_status.hpp"

#include <ivshmem/version.hpp>

#include <CLI/CLI.hpp>

#include <iostream>

namespace lsivshmem {
namespace {

constexpr const char* footer = R"(
A DEVICE is a PCI address (0000:00:04.0 or 00:04.0), index:N, region:N (ACRN), size:N[K|M|G]
or any, as in applications of libivshmem. Without one, all devices are listed.

Exit status: 0 success, 1 failure, 32 no device found, 64 something could not be read or found.)";

} // namespace

std::optional<options> parse_options(int argc, char** argv, int& status) {
    options o;
    std::string color = "auto";
    CLI::App app{"List the inter-VM shared memory devices of this machine.", "lsivshmem"};
    app.footer(footer);
    app.set_help_flag("-h,--help", "print this help");
    app.set_version_flag("-V,--version", "lsivshmem " IVSHMEM_VERSION_STRING, "print the version");
    const auto flag = [&](const char* names, bool& value, const char* help) {
        return app.add_flag(names, value, help);
    };
    flag("-t,--tree", o.tree, "show each device with its BARs and vectors");
    flag("-J,--json", o.json, "print JSON");
    flag("-k,--kernel", o.kernel, "show driver, IOMMU group and device nodes");
    app.add_flag(
        "-v,--verbose", [&](std::int64_t count) { o.verbosity = static_cast<int>(count); },
        "show a block for each device; -vv adds BARs, nodes and group, -vvv the configuration");
    app.add_option("-o,--output", o.columns, "the columns to show")->type_name("COLUMN,...");
    flag("--list-columns", o.list_columns, "list the columns there are");
    flag("-b,--bytes", o.bytes, "print sizes in bytes");
    flag("-n,--noheadings", o.no_headings, "print no headings");
    app.add_option("-s,--slot", o.slot, "only devices in this slot")
        ->type_name("[[DOMAIN]:BUS]:SLOT[.FUNC]");
    app.add_option("-d,--id", o.id, "only devices with these ids")
        ->type_name("[VENDOR]:[DEVICE][:CLASS]");
    app.add_option("--sysroot", o.sysroot, "read sys and dev under this directory instead of /")
        ->type_name("DIR");
    app.add_flag("--color{always}", color, "color the output: always, auto (the default) or never")
        ->type_name("[=WHEN]");
    app.add_option("DEVICE", o.selectors, "only these devices");

    try {
        app.parse(argc, argv);
        if (color != "always" && color != "auto" && color != "never")
            throw CLI::ValidationError{"--color", "takes always, auto or never"};
        const bool table = o.tree || o.json || !o.columns.empty();
        if (table && (o.kernel || o.verbosity > 0))
            throw CLI::ValidationError{"-k and -v", "do not go with -t, -J or -o"};
        if (o.tree && o.json)
            throw CLI::ValidationError{"-t", "does not go with -J, which has the tree's parts"};
        if (o.sysroot.empty())
            throw CLI::ValidationError{"--sysroot", "takes a directory"};
    } catch (const CLI::Success& e) {
        app.exit(e);
        status = tools::exit_success;
        return std::nullopt;
    } catch (const CLI::ParseError& e) {
        std::cerr << "lsivshmem: " << e.what() << "; see lsivshmem --help\n";
        status = tools::exit_failure;
        return std::nullopt;
    }
    o.colors = tools::wants_color(color);
    return o;
}

} // namespace lsivshmem
