// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "exit_status.hpp"

#include <ivshmem/device.hpp>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include <vector>

namespace ivshmemctl {
namespace {

namespace json = boost::json;

std::string yes_or_no(bool yes) {
    return yes ? "yes" : "no";
}

void print_json(const ivshmem::device& device) {
    const auto& can = device.capabilities();
    const auto& memory = device.memory();
    const auto* info = device.info();
    const json::object members{
        {"address", info ? json::value(to_string(info->address)) : json::value(nullptr)},
        {"backend", to_string(device.backend())},
        {"description", device.description()},
        {"id", device.id()},
        {"vectors", device.vectors()},
        {"ring", can.ring},
        {"interrupts", can.interrupts},
        {"removal_events", can.removal_events},
        {"peer_events", can.peer_events},
        {"size", memory.size()},
        {"cache_mode", to_string(memory.mode())},
        {"cache_reason", memory.reason()}};
    fmt::print("{}\n", json::serialize(members));
}

void print_text(const ivshmem::device& device) {
    const auto line = [](const char* name, const std::string& value) {
        fmt::print("{:<14} {}\n", name, value);
    };
    const auto& can = device.capabilities();
    const auto& memory = device.memory();
    if (device.info() != nullptr)
        line("device", to_string(device.info()->address));
    line("reached by", device.description());
    line("id", can.ring ? std::to_string(device.id()) : "none: a plain device");
    line("vectors",
         fmt::format("{}, of which {} can be waited for", device.vectors(), can.interrupts));
    line("memory", fmt::format("{} bytes, {}", memory.size(), to_string(memory.mode())));
    line("", memory.reason());
    line("rings", yes_or_no(can.ring));
    line("tells removal", yes_or_no(can.removal_events));
    line("tells peers", yes_or_no(can.peer_events));
}

} // namespace

void add_info(CLI::App& app, command& chosen) {
    auto* info = app.add_subcommand("info", "open the device and show what it is and can do");
    info->callback([&chosen] {
        chosen = [](const common_options& common) {
            ivshmem::open_options how;
            how.root = common.sysroot;
            const auto device = ivshmem::device::open(common.device, how);
            common.json ? print_json(device) : print_text(device);
            return tools::exit_success;
        };
    });
}

} // namespace ivshmemctl
