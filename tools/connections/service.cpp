// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/service.hpp"

#include <ivshmem/service_directory.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <string_view>
#include <utility>

namespace connections {

namespace {

namespace net = boost::asio;

} // namespace

service::service(ivshmem::asio::slot& in, options o, hooks h)
    : options_{std::move(o)}, hooks_{std::move(h)}, acceptor_{in, options_.name,
                                                              channel_for(options_.promised)} {}

bool service::allows(std::uint32_t slot) const {
    return !options_.allowed || std::find(options_.allowed->begin(), options_.allowed->end(),
                                          slot) != options_.allowed->end();
}

net::awaitable<boost::system::error_code> service::run() {
    for (;;) {
        auto [ec, channel] = co_await acceptor_.async_accept(net::as_tuple(net::use_awaitable));
        if (ec)
            co_return ec == net::error::operation_aborted ? boost::system::error_code{} : ec;
        const std::uint32_t slot = channel.next_layer().peer_slot();
        carrier::hooks hooks;
        const auto self = std::make_shared<std::weak_ptr<carrier>>();
        hooks.opened = [this, self](std::uint32_t connection) {
            const auto from = self->lock();
            // A peer that connects again and again must not leave ever more behind.
            if (connections_of(from->peer_slot()) >= options_.promised.connections)
                from->refuse(connection, reason::too_many);
            else
                hooks_.opened(from, connection);
        };
        const auto with = std::make_shared<carrier>(std::move(channel), session::side::service,
                                                    options_.promised, std::move(hooks));
        *self = with;
        std::erase_if(all_, [](const auto& one) { return one.second.expired(); });
        all_.emplace(slot, with);
        if (!allows(slot)) {
            hooks_.log(options_.name + ": slot " + std::to_string(slot) +
                       " is refused: it is not on the list of allowed slots");
            with->end(reason::not_allowed);
        } else if (const auto before = std::exchange(carriers_[slot], with)) {
            before->end(reason::replaced);
        }
        co_spawn(acceptor_.get_executor(), carry(with, slot), net::detached);
    }
}

net::awaitable<void> service::carry(carrier_ptr with, std::uint32_t slot) {
    const auto end = co_await with->run();
    if (end.why == reason::fault)
        hooks_.log(options_.name + ": slot " + std::to_string(slot) + " is cut off: " + end.text());
    if (const auto at = carriers_.find(slot); at != carriers_.end() && at->second == with)
        carriers_.erase(at);
    if (hooks_.gone)
        hooks_.gone();
}

/// Returns the number of connections of a slot, with those that have outlived their channels.
std::size_t service::connections_of(std::uint32_t slot) const {
    std::size_t count = 0;
    const auto [begin, end] = all_.equal_range(slot);
    for (auto at = begin; at != end; ++at)
        if (const auto with = at->second.lock())
            count += with->connections();
    return count;
}

void service::stop() {
    withdraw();
    for (const auto& [slot, one] : std::multimap{all_})
        if (const auto with = one.lock())
            with->end(reason::stopped);
}

std::vector<std::uint32_t> other_offers(const ivshmem::slot& own, const std::string& name) {
    std::vector<std::uint32_t> found;
    const ivshmem::service_directory directory{own};
    for (const auto& holder : own.holders()) {
        std::error_code ec;
        static_cast<void>(directory.find_service(name, holder.slot, ec));
        if (!ec)
            found.push_back(holder.slot);
    }
    return found;
}

target target::parse(const std::string& text) {
    const auto at = text.rfind('@');
    if (at == std::string::npos || at == 0)
        return {text};
    const auto slot = parse_slot(std::string_view{text}.substr(at + 1));
    if (!slot)
        return {text};
    return {text.substr(0, at), slot};
}

std::optional<std::string> why_unreachable(const std::string& name) {
    const auto read = target::parse(name);
    if (!read.slot)
        return std::nullopt;
    return name + ": a peer that connects to it would ask slot " + std::to_string(*read.slot) +
           " for \"" + read.name + "\"; choose another name";
}

std::string target::text() const {
    return slot ? name + '@' + std::to_string(*slot) : name;
}

ivshmem::channel_options channel_for(const limits& own) {
    ivshmem::channel_options options;
    options.max_message = own.longest + static_cast<std::uint32_t>(control_frame);
    return options;
}

} // namespace connections
