// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/device_json.hpp"
#include "common/device_text.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "forward_service.hpp"
#include "memory/memory_part.hpp"
#include "open_device.hpp"
#include "subcommands.hpp"
#include "system_facts.hpp"

#include <ivshmem/discovery.hpp>
#include <ivshmem/error.hpp>

#include <boost/json.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <variant>
#include <vector>

namespace ivshmemctl {
namespace {

namespace json = boost::json;
using ivshmem::device_info;

/// The facts about a device, whether it can be opened or not.
struct report {
    std::optional<device_info> info{};         ///< empty for a server
    ivshmem::device device{};                  ///< closed if opening failed
    std::string error{};                       ///< why opening failed; empty if it succeeded
    std::vector<ivshmem::device_user> users{}; ///< the programs that share it
    std::optional<forward_service> forward{};  ///< if ivshmem-forward is configured
    std::vector<fact> system{};
};

report gather(const common_options& common, std::optional<ivshmem::cache_mode> cache) {
    report found;
    found.forward = find_forward_service(common.sysroot);
    if (common.verbosity > 0 || common.json)
        found.system = system_facts(common.sysroot);
    const auto& what = common.device.what();
    if (!std::holds_alternative<ivshmem::selector::server_at>(what) &&
        !std::holds_alternative<ivshmem::selector::share_at>(what))
        found.info = common.device.choose(ivshmem::discover(common.sysroot));
    try {
        found.device = open_device(common, cache, no_memory(common));
        if (found.device.info() != nullptr)
            found.info = *found.device.info(); // as it was opened
        found.users = found.device.users();
    } catch (const std::runtime_error& e) {
        found.error = e.what();
    }
    return found;
}

bool is_shared(const ivshmem::device& device) {
    return device.is_open() && device.backend() == ivshmem::backend_kind::shared;
}

void line(std::string_view name, std::string_view value) {
    tools::print("{:<14} {}\n", name, value);
}

/// Returns what the driver and its nodes mean for this process: nothing if ivshmem-share has the
/// device.
ivshmem::diagnosis judge(const device_info& info, bool shared) {
    auto verdict = diagnose(info);
    if (shared) {
        verdict.problem.clear();
        verdict.remedy.clear();
    }
    return verdict;
}

void print_info(const device_info& info, bool shared) {
    const auto verdict = judge(info, shared);
    line("device", tools::headline(info));
    line("ids", tools::format("{:04x}:{:04x}, subsystem {:04x}:{:04x}{}", info.vendor, info.device,
                              info.subsystem_vendor, info.subsystem_device,
                              info.revision ? tools::format(", revision {}", *info.revision) : ""));
    line("driver", info.driver.empty() ? "none" : info.driver);
    if (info.iommu_group)
        line("IOMMU group",
             tools::format("{}{}", *info.iommu_group, info.noiommu ? ", no-IOMMU" : ""));
    else
        line("IOMMU group", "none");
    for (const auto& member : info.group_members)
        line("  shared with", tools::member_text(member));
    if (info.generation == ivshmem::device_generation::v2)
        line("protocol", tools::protocol_text(info));
    if (info.v2)
        line("sections", tools::sections_text(*info.v2, false));
    for (const auto* node : tools::nodes_of(info))
        line("node", tools::node_text(*node));
    for (const auto& problem : info.problems)
        line("unread", problem);
    line("use", shared ? "through ivshmem-share" : tools::use_text(verdict));
    if (!verdict.problem.empty())
        line("problem", verdict.problem);
    if (!verdict.remedy.empty())
        line("remedy", verdict.remedy);
}

std::string vectors_text(const ivshmem::device& device) {
    const auto waitable = device.capabilities().interrupts;
    if (device.vectors() == 0)
        return "none";
    if (waitable != 0)
        return tools::format("{}, of which {} can be waited for", device.vectors(),
                             waitable == device.vectors() ? "all" : tools::format("{}", waitable));
    std::string why;
    try {
        static_cast<void>(device.interrupt_fd(0));
    } catch (const ivshmem::error& e) {
        why = e.what();
    }
    return tools::format("{}, of which none can be waited for: {}", device.vectors(), why);
}

std::string events_text(const ivshmem::device_capabilities& can) {
    std::string text;
    const auto add = [&](bool reported, const char* words) {
        if (reported)
            text += (text.empty() ? "" : ", ") + std::string{words};
    };
    add(can.removal_events, "removal");
    add(can.peer_events, "peers that join and leave");
    add(can.state_events, "states that change");
    return text.empty() ? "none" : text;
}

void print_device(const ivshmem::device& device) {
    const auto& can = device.capabilities();
    const auto& memory = device.memory();
    line("reached by", device.description());
    line("id", can.ring ? std::to_string(device.id()) : "none: a plain device");
    if (device.generation() == ivshmem::device_generation::v2)
        line("max peers", std::to_string(device.max_peers()));
    line("vectors", vectors_text(device));
    line("ring", can.ring ? "yes" : "no");
    line("events", events_text(can));
    const auto size = memory_size(device);
    line("memory", tools::format("{} ({} bytes), {}", tools::size_text(size, false), size,
                                 to_string(memory.mode())));
    line("  because", memory.reason());
}

void print_text(const report& found) {
    for (const auto& [name, value] : found.system)
        line(name, value);
    const bool shared = is_shared(found.device);
    if (found.info)
        print_info(*found.info, shared);
    if (found.device.is_open())
        print_device(found.device);
    for (const auto& user : found.users)
        line("  used by",
             tools::format("process {} of user {}: {}", user.process, user.user, user.use));
    if (found.forward)
        line("forward", found.forward->text());
}

json::value or_null(std::string_view text) {
    return text.empty() ? json::value(nullptr) : json::value(text);
}

json::array users_json(const std::vector<ivshmem::device_user>& users) {
    json::array all;
    for (const auto& user : users)
        all.push_back({{"process", user.process}, {"user", user.user}, {"use", user.use}});
    return all;
}

json::value forward_json(const std::optional<forward_service>& forward) {
    if (!forward)
        return nullptr;
    return {{"state", or_null(forward->state)},
            {"services", json::value_from(forward->services)},
            {"problem", or_null(forward->problem)}};
}

void add_facts(json::object& to, const device_info& info, bool shared) {
    const auto verdict = judge(info, shared);
    to["type"] = to_string(info.type);
    to["generation"] = to_string(info.generation);
    to["revision"] = info.revision ? json::value(*info.revision) : json::value(nullptr);
    to["protocol"] = info.generation == ivshmem::device_generation::v2
                         ? json::value(info.class_code & 0xffffU)
                         : json::value(nullptr);
    to["sections"] = tools::sections_json(info);
    to["driver"] = or_null(info.driver);
    to["group"] = info.iommu_group ? json::value(*info.iommu_group) : json::value(nullptr);
    to["noiommu"] = info.noiommu;
    to["nodes"] = tools::nodes_json(info);
    to["use"] = shared ? "through ivshmem-share" : tools::use_text(verdict);
    to["problem"] = or_null(verdict.problem);
    to["remedy"] = or_null(verdict.remedy);
}

void add_device(json::object& to, const ivshmem::device& device) {
    const auto& can = device.capabilities();
    const auto& memory = device.memory();
    to["backend"] = to_string(device.backend());
    to["description"] = device.description();
    to["id"] = can.ring ? json::value(device.id()) : json::value(nullptr);
    to["max_peers"] = device.max_peers();
    to["vectors"] = device.vectors();
    to["ring"] = can.ring;
    to["interrupts"] = can.interrupts;
    to["removal_events"] = can.removal_events;
    to["peer_events"] = can.peer_events;
    to["state_events"] = can.state_events;
    to["size"] = memory_size(device);
    to["cache_mode"] = to_string(memory.mode());
    to["cache_reason"] = memory.reason();
}

void print_json(const report& found) {
    json::object members;
    members["address"] =
        found.info ? json::value(to_string(found.info->address)) : json::value(nullptr);
    if (found.info)
        add_facts(members, *found.info, is_shared(found.device));
    if (found.device.is_open())
        add_device(members, found.device);
    members["users"] = users_json(found.users);
    members["forward"] = forward_json(found.forward);
    members["error"] = or_null(found.error);
    json::object system;
    for (const auto& [name, value] : found.system)
        system[name] = value;
    members["system"] = std::move(system);
    tools::print("{}\n", json::serialize(members));
}

int info(const common_options& common, std::optional<ivshmem::cache_mode> cache) {
    const auto found = gather(common, cache);
    common.json ? print_json(found) : print_text(found);
    if (found.error.empty())
        return tools::exit_success;
    complain(found.error);
    return tools::exit_failure;
}

} // namespace

void add_info(subcommands& line) {
    auto sub = line.add("info", "open the device and show what it is and can do");
    sub.footer("\nIf the device cannot be opened, everything else is still shown. -v adds the "
               "kernel and the\nmachine: paste that into a bug report.");
    auto cache = std::make_shared<std::optional<ivshmem::cache_mode>>();
    add_cache_option(sub, *cache);
    sub.set_action([cache](const common_options& common) { return info(common, *cache); });
}

} // namespace ivshmemctl
