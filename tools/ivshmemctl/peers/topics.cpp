// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "open_device.hpp"
#include "peers/memory_use.hpp"
#include "peers/timestamp.hpp"
#include "result_line.hpp"
#include "subcommands.hpp"

#include <ivshmem/topic_info.hpp>

#include <boost/json.hpp>

#include <string>
#include <vector>

namespace ivshmemctl {
namespace {

namespace json = boost::json;

void print_json(const std::vector<ivshmem::topic_info>& topics) {
    json::array list;
    for (const auto& each : topics)
        list.push_back(json::object{{"topic", each.name},
                                    {"slot", each.slot},
                                    {"number", each.number},
                                    {"seq", each.sequence},
                                    {"time", in_seconds(each.time.time_since_epoch())},
                                    {"size", each.size},
                                    {"messages", each.messages},
                                    {"ended", each.ended},
                                    {"relayed", each.relayed},
                                    {"lost", each.lost}});
    put_line(json::serialize(json::object{{"topics", list}}));
}

void print_table(const std::vector<ivshmem::topic_info>& topics) {
    constexpr const char* format = "{:>4}  {:>10}  {:>10}  {:>8}  {:14}  {}";
    if (!topics.empty())
        put_line(tools::format(format, "SLOT", "LAST", "SIZE", "MESSAGES", "STATE", "TOPIC"));
    for (const auto& each : topics)
        put_line(tools::format(format, each.slot, each.sequence, each.size, each.messages,
                               tools::format("{}{}",
                                             each.ended  ? "ended"
                                             : each.lost ? "lost"
                                                         : "open",
                                             each.relayed ? ", relayed" : ""),
                               each.name));
}

int print_topics(const common_options& common) {
    const auto device = open_with_channels(common);
    const auto topics = ivshmem::find_topics(channel_memory(device));
    if (common.json)
        print_json(topics);
    else
        print_table(topics);
    if (topics.empty() && !common.quiet)
        complain(name_of(device) + ": no peer has made a topic; 'pub' makes one");
    return tools::exit_success;
}

} // namespace

void add_topics(subcommands& line) {
    auto sub = line.add("topics", "list the topics that peers publish, without taking a slot");
    sub.set_action(print_topics);
}

} // namespace ivshmemctl
