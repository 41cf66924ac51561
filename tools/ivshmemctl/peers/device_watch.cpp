// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/device_watch.hpp"

#include "command.hpp"
#include "common/print.hpp"
#include "open_device.hpp"
#include "peers/timestamp.hpp"
#include "result_line.hpp"

#include <boost/asio/error.hpp>

#include <optional>
#include <utility>
#include <variant>

namespace ivshmemctl {

namespace net = boost::asio;
namespace json = boost::json;
using ivshmem::errc;

namespace {

/// Returns whether the wait was cancelled or its object closed.
bool is_over(const boost::system::error_code& ec) {
    return ec == net::error::operation_aborted || ec == errc::closed;
}

} // namespace

device_watch::device_watch(net::io_context& io, const common_options& common)
    : common_{common}, changes_{io}, interrupts_{io}, events_{io} {}

bool device_watch::is_server() const {
    const auto& what = common_.device.what();
    return std::holds_alternative<ivshmem::selector::server_at>(what) ||
           std::holds_alternative<ivshmem::selector::share_at>(what);
}

bool device_watch::is_selected(const ivshmem::device_info& info) const {
    const auto* address = std::get_if<ivshmem::pci_address>(&common_.device.what());
    return address == nullptr || *address == info.address;
}

void device_watch::start() {
    if (is_server())
        return watch_device(open_device(common_, std::nullopt, no_memory(common_)));
    if (common_.sysroot != "/")
        throw std::invalid_argument{
            "monitor: watches the devices of this machine and cannot be used with --sysroot"};
    changes_.open(ivshmem::device_monitor::open());
    read_change();
}

void device_watch::read_change() {
    changes_.async_next([this](const error_code& ec, const ivshmem::device_change& change) {
        if (is_over(ec))
            return;
        if (ec)
            throw ivshmem::error{ec, "watching the devices: " + ec.message()};
        if (is_selected(change.device)) {
            const bool removed = change.type == ivshmem::device_change::kind::removed;
            if (removed && device_.is_open() && to_string(change.device.address) == name_)
                close_device();
            print(change);
            if (!removed && !device_.is_open())
                try_to_open();
        }
        read_change();
    });
}

void device_watch::try_to_open() {
    try {
        auto device = open_device(common_, std::nullopt, no_memory(common_));
        // No event of the device would arrive here, and other processes may need it.
        if (device.capabilities().interrupts == 0 && !device.capabilities().removal_events)
            return remark(name_of(device) + ": no interrupts arrive through its present driver");
        watch_device(std::move(device));
    } catch (const ivshmem::error& e) {
        close_device();   // closes what was opened in part
        remark(e.what()); // it may become usable
    }
}

void device_watch::watch_device(ivshmem::device device) {
    device_ = std::move(device);
    name_ = name_of(device_);
    last_remark_.clear();
    const auto& can = device_.capabilities();
    print_line("opened", tools::format("opened {}, as {}", name_, own_peer(device_)),
               {{"peer", can.ring ? json::value(device_.id()) : json::value(nullptr)}});
    if (can.interrupts > 0) {
        interrupts_.open(device_);
        read_ring();
    }
    const bool states = device_.generation() == ivshmem::device_generation::v2;
    if (can.peer_events || states)
        for (const auto peer : device_.peers())
            print_present(peer, states);
    if (can.peer_events || can.removal_events || can.state_events) {
        events_.open(device_);
        read_event();
    }
}

void device_watch::print_present(std::uint16_t peer, bool with_state) {
    std::string text = tools::format("peer {} is there", peer);
    json::object members{{"peer", peer}};
    if (with_state) {
        const auto state = device_.peer_state(peer);
        text += tools::format(", with state {}", state);
        members["state"] = state;
    }
    print_line("peer present", text, members);
}

void device_watch::close_device() {
    interrupts_.close();
    events_.close();
    if (!device_.is_open())
        return;
    device_.close();
    print_line("closed", "closed " + name_, {});
}

void device_watch::read_ring() {
    interrupts_.async_wait([this](const error_code& ec, const ivshmem::interrupt_count& rung) {
        if (is_over(ec))
            return;
        if (ec == errc::device_removed && device_.capabilities().removal_events)
            return; // the event follows
        if (ec == errc::device_removed)
            return close_device();
        if (ec)
            throw ivshmem::error{ec, name_ + ": waiting for rings: " + ec.message()};
        total_ += rung.count;
        print_line("ring", tools::format("ring vector {} count {}", rung.vector, rung.count),
                   {{"vector", rung.vector}, {"count", rung.count}, {"total", total_}});
        read_ring();
    });
}

void device_watch::read_event() {
    events_.async_next([this](const error_code& ec, const ivshmem::event& event) {
        if (is_over(ec))
            return;
        if (ec == errc::device_removed)
            return close_device();
        if (ec == errc::server_closed)
            return; // the last event reported it; rings of known peers may still arrive
        if (ec)
            throw ivshmem::error{ec, name_ + ": watching its peers: " + ec.message()};
        print(event);
        if (event.type == ivshmem::event::kind::removal_requested)
            return close_device();
        read_event();
    });
}

void device_watch::print(const ivshmem::event& event) {
    using kind = ivshmem::event::kind;
    const auto what = to_string(event.type);
    if (event.type == kind::peer_joined || event.type == kind::peer_left)
        print_line(what,
                   tools::format("peer {} {}", event.peer,
                                 event.type == kind::peer_joined ? "joined" : "left"),
                   {{"peer", event.peer}});
    else if (event.type == kind::state_changed)
        print_state(event.peer);
    else
        print_line(what, tools::format("{}: {}", name_, what), {});
}

void device_watch::print_state(std::uint16_t peer) {
    const auto state = device_.peer_state(peer);
    print_line(to_string(ivshmem::event::kind::state_changed),
               tools::format("peer {} has state {}", peer, state),
               {{"peer", peer}, {"state", state}});
}

void device_watch::print(const ivshmem::device_change& change) {
    const auto address = to_string(change.device.address);
    const auto& driver = change.device.driver;
    const bool removed = change.type == ivshmem::device_change::kind::removed;
    const auto what = tools::format("device {}", to_string(change.type));
    std::string text = tools::format("device {} {}", address, to_string(change.type));
    json::object members{{"device", address}};
    if (!removed) {
        text += driver.empty() ? ", no driver" : ", driver " + driver;
        members["driver"] = driver.empty() ? json::value(nullptr) : json::value(driver);
    }
    print_line(what, text, members);
}

void device_watch::remark(const std::string& line) {
    if (!common_.quiet && line != last_remark_)
        complain(line);
    last_remark_ = line;
}

void device_watch::print_line(std::string_view event, const std::string& text,
                              const json::object& members) const {
    const auto now = timestamp::now();
    if (!common_.json)
        return put_line(in_seconds(now.real) + ' ' + text);
    json::object line{{"event", event}, {"time_ns", now.real.count()}};
    if (!members.contains("device"))
        line["device"] = name_;
    for (const auto& member : members)
        line[member.key()] = member.value();
    put_line(json::serialize(line));
}

} // namespace ivshmemctl
