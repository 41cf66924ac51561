// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "subcommands.hpp"

#include "common/color.hpp"
#include "common/exit_status.hpp"

#include <ivshmem/version.hpp>

#include <CLI/CLI.hpp>

#include <cstdint>
#include <cstdio>
#include <utility>

namespace ivshmemctl {
namespace {

constexpr const char* whole_footer = R"(
A DEVICE is a PCI address (0000:00:04.0 or 00:04.0), index:N, region:N (ACRN), size:N[K|M|G],
server:PATH (the socket of an ivshmem server, on the host), share:PATH (that of ivshmem-share) or any.
Without -D, the only device is used.

Exit status: 0 success, 1 failure, 32 no device found, 64 a fault was found or something was left undone, 124 the time limit was reached.)";

void describe(CLI::Option& option, const option_text& text) {
    option.type_name(text.type)->required(text.required);
}

} // namespace

void subcommand::footer(const std::string& text) {
    app_.footer(text);
}

void subcommand::add_flag(const std::string& names, bool& value, const std::string& help) {
    app_.add_flag(names, value, help);
}

void subcommand::add_option(const option_text& text, std::string& value) {
    describe(*app_.add_option(text.names, value, text.help), text);
}

void subcommand::add_option(const option_text& text, std::vector<std::string>& values) {
    describe(*app_.add_option(text.names, values, text.help), text);
}

void subcommand::add_option(const option_text& text, std::function<void(const std::string&)> set) {
    const auto parse = [set = std::move(set)](const std::string& given) {
        try {
            set(given);
        } catch (const usage_error& e) {
            throw CLI::ValidationError{e.what()};
        }
    };
    describe(*app_.add_option_function<std::string>(text.names, parse, text.help), text);
}

void subcommand::set_action(command action) {
    app_.callback([&chosen = chosen_, action = std::move(action)] { chosen = action; });
}

struct subcommands::impl {
    CLI::App app{"Set up, test and use inter-VM shared memory devices.", "ivshmemctl"};
    common_options common;
    command chosen;
    // Raw values that CLI11 cannot convert by itself.
    std::string device;
    std::string socket;
    std::string color = "auto";

    impl();
    void check_common_options();
};

subcommands::impl::impl() {
    app.footer(whole_footer);
    app.fallthrough(); // common options may also follow the subcommand
    app.require_subcommand(1);
    app.set_help_flag("-h,--help", "print this help");
    app.set_version_flag("-V,--version", "ivshmemctl " IVSHMEM_VERSION_STRING, "print the version");
    auto* which = app.add_option("-D,--device", device, "the device to use")->type_name("DEVICE");
    app.add_option("--socket", socket, "join the ivshmem server that listens there")
        ->type_name("PATH")
        ->excludes(which);
    app.add_flag("--trust-server", common.trust_server,
                 "use the memory of the server although its clients can shrink it");
    app.add_flag("-J,--json", common.json, "print JSON");
    app.add_flag("-q,--quiet", common.quiet, "print results and errors only");
    app.add_flag(
        "-v,--verbose", [this](std::int64_t count) { common.verbosity = static_cast<int>(count); },
        "say more");
    app.add_option("--sysroot", common.sysroot, "read sys, dev and proc under this directory")
        ->type_name("DIR");
    app.add_flag("--color{always}", color, "color the output: always, auto (the default) or never")
        ->type_name("[=WHEN]");
}

void subcommands::impl::check_common_options() {
    if (color != "always" && color != "auto" && color != "never")
        throw usage_error{"--color: takes always, auto or never"};
    if (common.sysroot.empty())
        throw usage_error{"--sysroot: takes a directory"};
    if (!socket.empty())
        common.device = ivshmem::selector::server(socket);
    else if (!device.empty())
        common.device = ivshmem::selector::parse(device);
    common.color = tools::wants_color(color);
}

subcommands::subcommands() : impl_{std::make_unique<impl>()} {}
subcommands::~subcommands() = default;

subcommand subcommands::add(const std::string& name, const std::string& help) {
    return subcommand{*impl_->app.add_subcommand(name, help), impl_->chosen};
}

int subcommands::run(int argc, char** argv) {
    int status = tools::exit_failure;
    try {
        impl_->app.parse(argc, argv);
        impl_->check_common_options();
        status = impl_->chosen(impl_->common);
    } catch (const CLI::Success& e) {
        return impl_->app.exit(e);
    } catch (const CLI::ParseError& e) {
        const auto rest = impl_->app.remaining();
        const bool unknown = impl_->app.get_subcommands().empty() && !rest.empty();
        const char* const what = unknown && rest.front().starts_with('-') ? "option" : "subcommand";
        complain((unknown ? rest.front() + ": no such " + what : std::string{e.what()}) +
                 "; see ivshmemctl --help");
    } catch (const usage_error& e) {
        complain(std::string{e.what()} + "; see ivshmemctl --help");
    }
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
        complain("the output could not be written");
        status = tools::exit_failure;
    }
    return status;
}

} // namespace ivshmemctl
