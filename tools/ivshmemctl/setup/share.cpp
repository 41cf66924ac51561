// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "number.hpp"
#include "other_program.hpp"
#include "select_devices.hpp"
#include "subcommands.hpp"

#include <ivshmem/discovery.hpp>
#include <ivshmem/error.hpp>

#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

namespace ivshmemctl {
namespace {

struct share_options {
    std::string device;
    std::string at;
    std::string group;
    std::optional<std::uint64_t> programs{};
    std::optional<std::uint64_t> per_user{};
};

/// Returns the device as ivshmem-share takes it: that has no name for "the only one".
std::string name_for_share(const common_options& common, const std::string& device) {
    if (device.empty())
        if (const auto* server = std::get_if<ivshmem::selector::server_at>(&common.device.what()))
            return "server:" + server->path;
    const auto names = device.empty() ? std::vector<std::string>{} : std::vector{device};
    const auto found = select_devices(ivshmem::discover(common.sysroot), names, common);
    return to_string(found.front().address);
}

int share(const common_options& common, const share_options& asked) {
    std::vector<std::string> words{other_program("ivshmem-share"),
                                   name_for_share(common, asked.device)};
    const auto add = [&](const char* name, const std::string& value) {
        if (!value.empty())
            words.insert(words.end(), {name, value});
    };
    add("--socket", asked.at);
    add("--group", asked.group);
    if (asked.programs)
        add("--max-programs", std::to_string(*asked.programs));
    if (asked.per_user)
        add("--max-programs-per-user", std::to_string(*asked.per_user));
    if (common.sysroot != "/")
        add("--root", common.sysroot);
    if (common.verbosity > 0)
        words.emplace_back("--verbose");
    throw std::system_error{exec(words), std::system_category(), words.front()};
}

} // namespace

void add_share(subcommands& line) {
    auto sub = line.add("share", "share a device with several programs, until Ctrl-C");
    sub.footer("\nRuns ivshmem-share(8) in the foreground. As a service, and after each boot: "
               "systemctl enable\n--now ivshmem-share@ADDRESS.socket");
    const auto asked = std::make_shared<share_options>();
    sub.add_option({"DEVICE", "", "the device (default: the only one)"}, asked->device);
    sub.add_option({"--at", "PATH", "listen there (/run/ivshmem/share/ADDRESS)"}, asked->at);
    sub.add_option({"-g,--group", "GROUP", "let this group connect (root only)"}, asked->group);
    add_number(sub, {"--max-programs", "N", "the most programs at once (64)"}, asked->programs);
    add_number(sub, {"--max-programs-per-user", "N", "the most programs of one user (no limit)"},
               asked->per_user);
    sub.set_action([asked](const common_options& common) { return share(common, *asked); });
}

} // namespace ivshmemctl
