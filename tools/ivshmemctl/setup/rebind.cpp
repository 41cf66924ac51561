// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "setup/rebind.hpp"

#include "command.hpp"
#include "common/print.hpp"

#include <ivshmem/diagnosis.hpp>
#include <ivshmem/discovery.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <stdexcept>

#include <unistd.h>

namespace ivshmemctl {
namespace {

namespace json = boost::json;
using ivshmem::device_info;

json::value text(const std::string& value) {
    return value.empty() ? json::value(nullptr) : json::value(value);
}

const std::string& node_of(const device_info& device) {
    static const std::string none;
    const auto& node = device.vfio_node ? device.vfio_node : device.uio_node;
    return node ? node->path : none;
}

} // namespace

void carry_out(const transaction& plan, const rebind_options& options, const common_options& common,
               const std::string& subcommand) {
    if (options.dry_run)
        return plan.print();
    if (common.sysroot != "/")
        throw std::runtime_error{subcommand +
                                 ": --sysroot needs --dry-run: a captured tree has no kernel"};
    if (::geteuid() != 0)
        throw std::runtime_error{subcommand + ": only root may do this; try sudo, or --dry-run to "
                                              "see the commands"};
    plan.carry_out(common.verbosity > 0, common.quiet);
}

void print_bound(const std::vector<device_info>& before, const common_options& common) {
    json::array list;
    const auto all = ivshmem::discover(common.sysroot).devices;
    for (const auto& was : before) {
        const auto now = std::find_if(all.begin(), all.end(), [&](const auto& device) {
            return device.address == was.address;
        });
        if (now == all.end())
            throw std::runtime_error{to_string(was.address) + ": the device is not there any more"};
        const bool changed = now->driver != was.driver || now->enabled != was.enabled;
        const auto& node = node_of(*now);
        if (common.json)
            list.push_back({{"address", to_string(now->address)},
                            {"driver", text(now->driver)},
                            {"node", text(node)},
                            {"changed", changed}});
        else
            tools::print("{}: {}{}{}{}\n", to_string(now->address),
                         now->driver.empty() ? "bound to no driver" : "bound to " + now->driver,
                         node.empty() ? "" : ", " + node,
                         now->driver.empty() && now->enabled ? ", memory enabled" : "",
                         changed ? "" : ", as before");
    }
    if (common.json)
        tools::print("{}\n", json::serialize(json::object{{"version", 1}, {"devices", list}}));
}

} // namespace ivshmemctl
