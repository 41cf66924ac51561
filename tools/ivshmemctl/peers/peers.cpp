// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "open_device.hpp"
#include "peers/memory_use.hpp"
#include "result_line.hpp"
#include "subcommands.hpp"

#include <ivshmem/error.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <optional>
#include <vector>

namespace ivshmemctl {
namespace {

namespace json = boost::json;

struct found_peer {
    std::uint16_t id = 0;
    std::optional<std::uint32_t> slot{}; ///< the slot of channels that it holds, if any
    bool absent = false; ///< the server knows no such peer, or ivshmem-v2: its state is 0
    std::optional<std::uint32_t> state{}; ///< ivshmem-v2
};

bool has_states(const ivshmem::device& device) {
    return device.generation() == ivshmem::device_generation::v2;
}

/// Finds the connected peers through the backend, and the holders of slots through the memory.
std::vector<found_peer> find_peers(ivshmem::device& device) {
    std::vector<found_peer> found;
    const memory_use use = inspect_memory(device);
    for (const auto& [slot, peer] : use.held)
        found.push_back({peer, slot});
    std::error_code ec;
    const auto connected = device.peers(ec);
    for (found_peer& p : found)
        p.absent = !ec && std::find(connected.begin(), connected.end(), p.id) == connected.end();
    for (const auto id : connected)
        if (std::none_of(found.begin(), found.end(),
                         [&](const found_peer& p) { return p.id == id; }))
            found.push_back({id, std::nullopt});
    if (ec && found.empty())
        static_cast<void>(device.peers()); // throws with a detailed message
    for (found_peer& p : found) {
        // Peers write the ids in the memory: one may be that of no peer.
        if (const auto state = device.peer_state(p.id, ec); !ec)
            p.state = state;
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const found_peer& a, const found_peer& b) { return a.id < b.id; });
    return found;
}

void print_json(const ivshmem::device& device, const std::vector<found_peer>& peers) {
    json::array list;
    const auto or_null = [](const std::optional<std::uint32_t>& number) {
        return number ? json::value(*number) : json::value(nullptr);
    };
    for (const auto& [id, slot, absent, state] : peers)
        list.push_back(json::object{
            {"id", id}, {"slot", or_null(slot)}, {"state", or_null(state)}, {"absent", absent}});
    const auto own = device.capabilities().ring ? json::value(device.id()) : json::value(nullptr);
    put_line(json::serialize(json::object{{"id", own}, {"peers", list}}));
}

void print_text(const ivshmem::device& device, const std::vector<found_peer>& peers) {
    for (const auto& [id, slot, absent, state] : peers)
        put_line(tools::format("peer {}{}{}{}", id, slot ? tools::format(", slot {}", *slot) : "",
                               state ? tools::format(", state {}", *state) : "",
                               absent && !has_states(device) ? ", not at this server" : ""));
}

int print_peers(const common_options& common) {
    auto device = open_with_channels(common);
    const auto peers = find_peers(device);
    if (common.json)
        print_json(device, peers);
    else
        print_text(device, peers);
    if (!common.quiet && !device.capabilities().peer_events && !has_states(device))
        complain(name_of(device) + ": only peers that hold a slot of channels can be found");
    if (common.verbosity > 0)
        complain(tools::format("{}: this process is {}", name_of(device), own_peer(device)));
    return tools::exit_success;
}

} // namespace

void add_peers(subcommands& line) {
    auto sub = line.add("peers", "list the other peers, as far as they can be found");
    sub.set_action(print_peers);
}

} // namespace ivshmemctl
