// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "command.hpp"
#include "common/exit_status.hpp"
#include "common/print.hpp"
#include "number.hpp"
#include "open_device.hpp"
#include "peers/timestamp.hpp"
#include "result_line.hpp"
#include "subcommands.hpp"

#include <ivshmem/asio/device_events.hpp>
#include <ivshmem/error.hpp>

#include <boost/asio.hpp>
#include <boost/json.hpp>

#include <csignal>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>

namespace ivshmemctl {
namespace {

namespace net = boost::asio;
namespace json = boost::json;
using ivshmem::errc;

std::uint32_t own_state(const ivshmem::device& device) {
    try {
        return device.state();
    } catch (const ivshmem::error& e) {
        if (e.code() != errc::states_unsupported)
            throw;
        throw ivshmem::error{
            e.code(), tools::format("{}; 'ivshmemctl peers' lists the peers that can be found, and "
                                    "'lsivshmem -o ADDRESS,GENERATION' the devices with states: v2",
                                    e.what())};
    }
}

/// Prints the states of all peers, the absent ones included.
void print_states(const ivshmem::device& device, bool as_json) {
    const std::uint32_t own = own_state(device);
    json::array others;
    for (std::uint32_t peer = 0; peer < device.max_peers(); ++peer) {
        const bool self = peer == device.id();
        const std::uint32_t state = self ? own : device.peer_state(peer);
        if (!as_json)
            put_line(tools::format("peer {} has state {}{}", peer, state, self ? " (own)" : ""));
        else if (!self)
            others.push_back({{"id", peer}, {"state", state}});
    }
    if (as_json)
        put_line(json::serialize(
            json::object{{"id", device.id()}, {"state", own}, {"peers", std::move(others)}}));
}

/// Has a state, and prints the changes of the others' states, until a signal comes.
class state_holder {
  public:
    state_holder(ivshmem::device& device, const common_options& common)
        : device_{device}, common_{common} {
        // The device must be closed, which sets the state to 0, even if the output is a closed
        // pipe.
        std::signal(SIGPIPE, SIG_IGN);
        signals_.async_wait([this](const boost::system::error_code& ec, int) {
            if (!ec)
                io_.stop();
        });
    }

    void run(std::uint32_t state) {
        device_.set_state(state);
        print_states(device_, common_.json);
        if (!common_.quiet)
            complain(tools::format("{}: {} has state {} until Ctrl-C, then 0", name_of(device_),
                                   own_peer(device_), state));
        const auto& can = device_.capabilities();
        if (can.state_events || can.removal_events) {
            events_.open(device_);
            read_event();
        }
        if (!can.state_events && !common_.quiet)
            complain(name_of(device_) +
                     ": no interrupts arrive, so changes of other states are not shown");
        io_.run();
    }

  private:
    void read_event() {
        events_.async_next([this](const boost::system::error_code& ec,
                                  const ivshmem::event& event) {
            if (ec == errc::device_removed ||
                (!ec && event.type == ivshmem::event::kind::removal_requested))
                throw ivshmem::error{make_error_code(errc::device_removed),
                                     name_of(device_) + ": device removed"};
            if (ec)
                throw ivshmem::error{ec,
                                     name_of(device_) + ": watching the states: " + ec.message()};
            if (event.type == ivshmem::event::kind::state_changed)
                print_change(event.peer, device_.peer_state(event.peer));
            else
                complain(tools::format("{}: {}", name_of(device_), to_string(event.type)));
            read_event();
        });
    }
    void print_change(std::uint32_t peer, std::uint32_t state) const {
        if (!common_.json)
            return put_line(tools::format("peer {} has state {}", peer, state));
        put_line(
            json::serialize(json::object{{"event", to_string(ivshmem::event::kind::state_changed)},
                                         {"time_ns", timestamp::now().real.count()},
                                         {"peer", peer},
                                         {"state", state}}));
    }

    ivshmem::device& device_;
    const common_options& common_;
    net::io_context io_{1};
    net::signal_set signals_{io_, SIGINT, SIGTERM, SIGHUP};
    ivshmem::asio::device_events events_{io_};
};

int states(const common_options& common, std::optional<std::uint64_t> value) {
    constexpr auto highest = std::numeric_limits<std::uint32_t>::max();
    if (value && *value > highest)
        throw std::invalid_argument{
            tools::format("{} is not a state: use 0 to {}", *value, highest)};
    auto device = open_device(common, std::nullopt, no_memory(common));
    static_cast<void>(own_state(device)); // throws if the device has none
    // Opening the device has set the state to 0, and closing it does, so 0 needs no process.
    if (value.value_or(0) != 0)
        state_holder{device, common}.run(static_cast<std::uint32_t>(*value));
    else
        print_states(device, common.json);
    return tools::exit_success;
}

} // namespace

void add_state(subcommands& line) {
    auto sub =
        line.add("state", "print the states of the peers of an ivshmem-v2 device, or have one");
    sub.footer(
        "\nWithout VALUE, or with 0, the command prints the states and ends. A state lasts as long "
        "as the\nprocess that has the device open. So with another VALUE, the command has that "
        "state until\nCtrl-C, and prints changes of the other states. The state is 0 afterwards.");
    const auto value = std::make_shared<std::optional<std::uint64_t>>();
    add_number(sub, {"VALUE", "", "the state to have until Ctrl-C, 0 to 4294967295"}, *value);
    sub.set_action([value](const common_options& common) { return states(common, *value); });
}

} // namespace ivshmemctl
