// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "caught_signals.hpp"
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "conformance/lane.hpp"
#include "conformance/newcomer.hpp"
#include "conformance/other_side.hpp"
#include "conformance/report.hpp"
#include "number.hpp"
#include "open_device.hpp"
#include "peers/memory_use.hpp"
#include "peers/seconds.hpp"
#include "progress.hpp"
#include "subcommands.hpp"

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace ivshmemctl {
namespace {

using namespace conformance;

struct conformance_options {
    play how{};
    std::optional<std::uint64_t> slot{};
    std::optional<std::chrono::nanoseconds> limit{};
    std::optional<std::uint64_t> claim_time{};
    std::vector<std::string> rules{};
};

/// The headers of the peers that may be meant: at a server, of those that are connected.
std::vector<std::uint64_t> candidates(ivshmem::device& device, const conformance_options& asked) {
    std::error_code ec;
    const auto connected = device.peers(ec);
    auto all = find_headers(device);
    std::erase_if(all, [&](std::uint64_t at) {
        const auto header = words{device.memory().data()}.from(at);
        if (asked.slot)
            return header.look(in_header::slot) != *asked.slot;
        return !ec &&
               std::find(connected.begin(), connected.end(), header.look(in_header::peer)) ==
                   connected.end() &&
               !connected.empty();
    });
    return all;
}

/// Waits for the peer under test. @return The offset of its header.
std::uint64_t find_peer(ivshmem::device& device, const common_options& common,
                        const conformance_options& asked) {
    const auto which = asked.slot ? tools::format("a peer in slot {}", *asked.slot)
                                  : std::string{"a peer that holds a slot"};
    progress bar{common, "waiting for " + which, std::nullopt, false};
    const auto end = std::chrono::steady_clock::now() + asked.how.time_limit;
    for (;;) {
        const auto found = candidates(device, asked);
        if (found.size() == 1)
            return found.front();
        if (found.size() > 1) {
            std::string slots;
            for (const auto at : found)
                slots +=
                    (slots.empty() ? "" : ", ") +
                    std::to_string(words{device.memory().data()}.from(at).look(in_header::slot));
            throw std::runtime_error{tools::format("{}: several slots are held ({}): choose the "
                                                   "peer under test with --slot N",
                                                   name_of(device), slots)};
        }
        if (caught_signals::arrived())
            throw interrupted{};
        if (std::chrono::steady_clock::now() >= end)
            throw std::runtime_error{tools::format(
                "{}: {} did not come; start the peer under test on this memory, or try "
                "'ivshmemctl peers', which lists the slots that are held",
                name_of(device), which)};
        bar.update(0);
        std::this_thread::sleep_for(milliseconds{20});
    }
}

void find_service(other_side& side) {
    side.start_rule();
    if (side.wait([&] { return side.key() != 0; }))
        return;
    std::string others;
    for (const auto& name : side.services())
        others += (others.empty() ? "'" : ", '") + name + "'";
    throw std::runtime_error{tools::format(
        "{}: the peer in slot {} offers no service '{}', but {}: name one that answers each "
        "message with the same bytes, with --service NAME",
        name_of(side.device()), side.peer_slot(), side.how().service,
        others.empty() ? "none" : others)};
}

/// Returns whether the peer still answers.
bool answers(other_side& side) {
    side.start_rule();
    try {
        if (!side.has_peer())
            newcomer{side}.await_return();
        lane x{side};
        x.connect();
        x.echo(pattern(8));
        return true;
    } catch (const not_shown&) {
        return true; // the peer has connected
    } catch (const broken&) {
        return false;
    }
}

int examine(ivshmem::device& device, const common_options& common,
            const conformance_options& asked) {
    report results{common, asked.rules};
    other_side side{device, asked.how, find_peer(device, common, asked)};
    try {
        const bool is_clear = results.check(side, header_rules(), nullptr);
        results.begin(side);
        if (is_clear) {
            side.take_slot();
            find_service(side);
        } else {
            results.give_up("the header is wrong");
        }
        for (const auto rules :
             {directory_rules(), opening_rules(), ring_rules(), sleeping_rules(), fault_rules(),
              topic_rules(), claim_rules(), ending_rules(), claiming_rules()})
            results.check(side, rules, answers);
    } catch (const peer_left& left) {
        results.end(false);
        throw std::runtime_error{tools::format(
            "{}: the peer in slot {} has left, during rule {}: {}; start it again, and "
            "then this rule alone, with --rule {}",
            name_of(device), side.peer_slot(), results.current(), left.how, results.current())};
    }
    results.end(true);
    return results.broken() == 0 ? tools::exit_success : tools::exit_some_failed;
}

int run_conformance(const common_options& common, conformance_options asked) {
    if (asked.limit)
        asked.how.time_limit = std::chrono::duration_cast<milliseconds>(*asked.limit);
    if (asked.claim_time)
        asked.how.claim_time =
            milliseconds{std::clamp<std::uint64_t>(*asked.claim_time, 250, 3600000)};
    for (const auto& name : asked.rules)
        if (!report::knows(name))
            throw usage_error{"--rule: " + name +
                              " is not a rule with a check; channel-layout.md "
                              "has their numbers"};
    auto device = open_with_channels(common);
    if (device.generation() == ivshmem::device_generation::v2)
        throw std::runtime_error{
            name_of(device) +
            ": the rules are checked on ivshmem v1 only, and this device is ivshmem-v2; use "
            "--socket PATH with a server that the peer under test joins, or a v1 device"};
    asked.how.join = [&] {
        return open_with_channels(common);
    };
    // The slot must be released even if the output is a closed pipe.
    std::signal(SIGPIPE, SIG_IGN);
    const caught_signals signals;
    try {
        return examine(device, common, asked);
    } catch (const interrupted&) {
        device.close();
        caught_signals::exit("the slot was given back");
    }
}

} // namespace

void add_conformance(subcommands& line) {
    auto sub = line.add("conformance", "check which rules of channels another peer follows");
    const auto asked = std::make_shared<conformance_options>();
    add_number(sub, {"--slot", "N", "the slot of the peer under test (the only other one)"},
               asked->slot);
    sub.add_option({"--service", "NAME", "a service that answers with the same bytes (echo)"},
                   asked->how.service);
    sub.add_option({"--rule", "NUMBER", "check this rule only; may be repeated (all)"},
                   asked->rules);
    add_seconds(sub, {"--time-limit", "SECONDS", "the time for each rule (5)"}, asked->limit);
    add_number(sub, {"--claim-time", "MS", "the time in which a claim must be answered (250)"},
               asked->claim_time);
    sub.add_flag("--restarts", asked->how.restarts,
                 "the peer starts again when it ends: also check rules that end it");
    sub.footer("\nThe rules have the numbers of channel-layout.md.");
    sub.set_action(
        [asked](const common_options& common) { return run_conformance(common, *asked); });
}

} // namespace ivshmemctl
