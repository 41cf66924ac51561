// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "number.hpp"
#include "open_device.hpp"
#include "peers/seconds.hpp"
#include "progress.hpp"
#include "result_line.hpp"
#include "subcommands.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace ivshmemctl {
namespace {

struct ring_options {
    std::string peer;
    std::string vector;
    std::optional<std::uint64_t> count{};
    std::optional<std::chrono::nanoseconds> interval{};
};

std::uint32_t number_in(const std::string& text, const char* what) {
    const auto number = parse_number(text);
    if (!number || *number > 0xffffffffU)
        throw std::invalid_argument{tools::format("'{}' is not a {}", text, what)};
    return static_cast<std::uint32_t>(*number);
}

std::vector<std::uint32_t> chosen_peers(ivshmem::device& device, const std::string& text) {
    if (text == "self")
        return {device.id()};
    if (text == "all") {
        const auto all = device.peers(); // throws if they cannot be known
        return {all.begin(), all.end()};
    }
    const std::uint32_t peer = number_in(text, "peer: use an id, self or all");
    if (peer > 0xffff || peer == device.id() || !device.capabilities().peer_events)
        return {peer}; // the library reports an id that is out of range
    const auto all = device.peers();
    if (std::find(all.begin(), all.end(), peer) == all.end())
        throw std::invalid_argument{
            tools::format("{}: no peer {} is connected; 'ivshmemctl peers' lists those that are",
                          name_of(device), peer)};
    return {peer};
}

std::vector<std::uint32_t> chosen_vectors(const ivshmem::device& device, const std::string& text) {
    if (text != "all")
        return {number_in(text, "vector: use its number, or all")};
    if (!device.capabilities().ring)
        return {0}; // the library reports why it cannot ring
    if (device.vectors() == 0)
        throw std::runtime_error{name_of(device) +
                                 ": this user cannot read the number of vectors; name one vector"};
    std::vector<std::uint32_t> all(device.vectors());
    for (std::uint32_t vector = 0; vector < all.size(); ++vector)
        all[vector] = vector;
    return all;
}

int ring(const common_options& common, const ring_options& asked) {
    auto device = open_device(common, std::nullopt, no_memory(common));
    const auto peers = chosen_peers(device, asked.peer);
    const auto vectors = chosen_vectors(device, asked.vector);
    const std::uint64_t times = asked.count.value_or(1);
    const std::uint64_t each = peers.size() * vectors.size();
    progress bar{common, "ring", times * each, false, rings};
    for (std::uint64_t i = 0; i < times; ++i) {
        if (i != 0 && asked.interval)
            std::this_thread::sleep_for(*asked.interval);
        for (const auto peer : peers)
            for (const auto vector : vectors)
                device.ring(peer, vector);
        bar.update((i + 1) * each);
    }
    bar.clear();
    const std::uint64_t rung = times * each;
    if (common.json)
        put_line(boost::json::serialize(
            boost::json::object{{"peers", boost::json::value_from(peers)},
                                {"vectors", boost::json::value_from(vectors)},
                                {"rings", rung}}));
    if (common.verbosity > 0)
        complain(tools::format("{}: rang {} times; rings are best effort: a peer that is absent or "
                               "has not enabled the vector misses them without an error",
                               name_of(device), rung));
    else if (rung == 0 && times != 0 && !common.quiet)
        complain(name_of(device) + ": there is no peer to ring");
    return tools::exit_success;
}

} // namespace

void add_ring(subcommands& line) {
    auto sub = line.add("ring", "ring a vector of a peer, by its doorbell");
    const auto asked = std::make_shared<ring_options>();
    sub.add_option({"peer", "PEER", "the peer's id; self; or all, if peers can be known", true},
                   asked->peer);
    sub.add_option({"vector", "VECTOR", "the vector; or all that this device has", true},
                   asked->vector);
    add_number(sub, {"-n,--count", "N", "how many times to ring (1)"}, asked->count);
    add_seconds(sub, {"-i,--interval", "SECONDS", "how long to wait between rings (not at all)"},
                asked->interval);
    sub.set_action([asked](const common_options& common) { return ring(common, *asked); });
}

} // namespace ivshmemctl
