// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "inward.hpp"

#include "base/text.hpp"

#include <ivshmem/error.hpp>

#include <algorithm>
#include <string_view>
#include <system_error>
#include <utility>

namespace ivshmem_gateway {
namespace {

using ivshmem::formatted;

/// Names that a publisher chooses are cut in the log.
constexpr std::size_t shown = 80;

std::string for_log(std::string_view name) {
    std::string text{name.substr(0, shown)};
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
    return text;
}

} // namespace

std::vector<broker::subscription> subscriptions_of(const std::vector<rule>& rules) {
    std::vector<broker::subscription> all;
    for (const auto& r : rules)
        if (r.way == direction::in)
            all.push_back({.filter = r.pattern, .qos = r.qos, .retained = r.retain});
    return all;
}

void inward::pass(std::string_view topic, std::span<const std::byte> payload) {
    const auto to = map_in(rules_, topic);
    if (!to) {
        if (to.by != nullptr)
            lines_.count(
                formatted("{}: a name from the broker is refused: {}", to.by->where, to.fault));
        return;
    }
    if (payload.size() > max_message_)
        return lines_.count(formatted("{}: a message of the broker is longer than {} bytes "
                                      "(max-message), and dropped",
                                      for_log(topic), max_message_));
    made* const into = writer_for(to);
    if (into == nullptr)
        return;
    std::error_code ec;
    into->writer.publish(payload, ec);
    if (ec == ivshmem::errc::message_too_large)
        lines_.count(formatted("{}: a message of the broker is longer than the {} bytes of the "
                               "topic, and dropped; set size, or free room in the region",
                               to.name, into->writer.max_message()));
    else if (ec)
        lines_.count(
            formatted("{}: a message of the broker is dropped: {}", to.name, ec.message()));
}

inward::made* inward::writer_for(const mapping& to) {
    if (const auto at = writers_.find(to.name); at != writers_.end())
        return &at->second;
    const auto by_rule = std::count_if(writers_.begin(), writers_.end(),
                                       [&](const auto& each) { return each.second.by == to.by; });
    if (static_cast<std::uint64_t>(by_rule) >= to.by->topics) {
        lines_.count(formatted("{}: more topics than the {} of this rule (topics); messages of "
                               "others are dropped",
                               to.by->where, to.by->topics));
        return nullptr;
    }
    ivshmem::topic_options options;
    options.size = to.by->size;
    options.messages = to.by->messages;
    options.relayed = true;
    std::error_code ec;
    auto writer = ivshmem::topic_writer::create(slot_.next_layer(), to.name, options, ec);
    if (ec) {
        std::string_view advice;
        if (ec == ivshmem::errc::directory_full)
            advice = "; a gateway writes 16 topics";
        else if (ec == ivshmem::errc::region_too_small)
            advice = "; set a smaller size for the topics of this rule, or fewer topics";
        lines_.count(formatted("{}: cannot be made, and its messages are dropped: {}{}",
                               advice.empty() ? to.name : to.by->where, ec.message(), advice));
        return nullptr;
    }
    return &writers_.emplace(to.name, made{to.by, std::move(writer)}).first->second;
}

} // namespace ivshmem_gateway
