// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "gateway.hpp"

#include "base/text.hpp"
#include "connections/slot_watch.hpp"
#include "inward.hpp"
#include "ivshmemctl/open_device.hpp"
#include "ivshmemctl/peers/claim_slot.hpp"
#include "ivshmemctl/peers/memory_use.hpp"
#include "outward.hpp"
#include "service/log.hpp"

#include <ivshmem/asio/device_events.hpp>
#include <ivshmem/asio/slot.hpp>
#include <ivshmem/device.hpp>
#include <ivshmem/error.hpp>
#include <ivshmem/event.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <utility>

namespace ivshmem_gateway {

namespace net = boost::asio;
namespace log = service::log;

/// What exists while the region is joined.
struct gateway::region {
    region(net::io_context& io, const options& o, std::function<void(std::error_code)> lost)
        : device{ivshmemctl::open_with_channels(o.common)},
          slot{ivshmemctl::claim_slot_for_connections(io, device, o.common, o.place)},
          watch{slot, lost}, lost{std::move(lost)} {
        std::error_code none; // a device without events cannot end by one
        events.open(device, none);
        if (!none)
            watch_events();
    }
    region(const region&) = delete;
    region& operator=(const region&) = delete;
    ~region() {
        watch.end();
        if (out)
            out->stop();
    }

    /// Notices the end of a server, which leaves its memory to those that have it.
    void watch_events() {
        events.async_next([this, here = std::weak_ptr{alive}](const boost::system::error_code& ec,
                                                              const ivshmem::event&) {
            if (here.expired() || ec == net::error::operation_aborted)
                return;
            if (ec)
                return lost(ec);
            watch_events();
        });
    }

    ivshmem::device device;
    ivshmem::asio::slot slot;
    connections::slot_watch watch;
    std::function<void(std::error_code)> lost;
    std::shared_ptr<int> alive = std::make_shared<int>(0);
    ivshmem::asio::device_events events{slot.get_executor()};
    std::shared_ptr<outward> out{};
    std::unique_ptr<inward> in{};
};

gateway::gateway(net::io_context& io, const options& o)
    : io_{io}, options_{o}, lines_{io.get_executor(),
                                   [](const std::string& what, std::uint64_t times) {
                                       if (times == 1)
                                           log::info("{}", what);
                                       else
                                           log::info("{} ({} times)", what, times);
                                   }},
      each_slot_{o.each_slot},
      broker_{io.get_executor(), o.broker, subscriptions_of(o.rules),
              broker::hooks{
                  .message = [this](std::string_view topic,
                                    std::span<const std::byte> payload) { take(topic, payload); },
                  .done = [this](const outgoing& message, broker::fate what,
                                 const std::string& why) { note(message, what, why); },
                  .ended = [this] { io_.stop(); },
              }},
      retry_{io} {}

gateway::~gateway() = default;

void gateway::start() {
    join_region();
    net::co_spawn(io_, broker_.run(), [](const std::exception_ptr& failed) {
        if (failed)
            std::rethrow_exception(failed);
    });
}

void gateway::join_region() {
    auto made = std::make_unique<region>(io_, options_, [this](std::error_code why) {
        // Not in the middle of the hub that reports it.
        net::post(io_, [this, why] { lose_region(why); });
    });
    made->in = std::make_unique<inward>(made->slot, options_.rules, options_.max_message, lines_);
    made->out = std::make_shared<outward>(
        made->slot, outward::uses{
                        .rules = options_.rules,
                        .to = broker_,
                        .each_slot = each_slot_,
                        .lines = lines_,
                        .max_message = std::min<std::uint64_t>(options_.max_message,
                                                               options_.broker.queue_bytes),
                        .origin = options_.broker.client_id,
                    });
    made->out->start();
    const auto& device = made->device;
    const auto how = device.info() != nullptr ? " (" + device.description() + ")" : std::string{};
    log::info("ready: {}{}, slot {}", ivshmemctl::name_of(device), how, made->slot.number());
    region_ = std::move(made);
    reported_.clear();
}

void gateway::lose_region(std::error_code why) {
    if (!region_ || stopping_)
        return;
    log::error("{}; trying again", ivshmemctl::explain_failure(region_->device, why).what());
    region_.reset();
    // The broker keeps what comes meanwhile.
    broker_.leave();
    retries_.reset();
    try_region_again();
}

void gateway::try_region_again() {
    retry_.expires_after(retries_.next());
    retry_.async_wait([this](const boost::system::error_code& cancelled) {
        if (cancelled || stopping_)
            return;
        try {
            // Blocks for 250 ms; for 2 s if a server does not answer. No topic passes now, and the
            // broker is asked for nothing but what is in the queue.
            join_region();
        } catch (const std::exception& e) {
            const std::string why = e.what();
            if (std::exchange(reported_, why) != why)
                log::error("{}; trying again", why);
            return try_region_again();
        }
        broker_.join();
    });
}

void gateway::stop() {
    if (std::exchange(stopping_, true))
        return io_.stop(); // asked again: at once
    retry_.cancel();
    if (region_)
        region_->out->stop();
    broker_.stop();
}

void gateway::report_left() const {
    if (const auto left = broker_.waiting(); left != 0)
        log::error("{}: {} messages were not delivered, and are lost with this program",
                   options_.broker.name(), left);
}

void gateway::take(std::string_view topic, std::span<const std::byte> payload) {
    if (region_)
        region_->in->pass(topic, payload);
    else
        lines_.count("messages of the broker are dropped: the region is away");
}

void gateway::note(const outgoing& message, broker::fate what, const std::string& why) {
    switch (what) {
    case broker::fate::delivered:
        return;
    case broker::fate::no_room:
        return lines_.count("messages are dropped: " + why);
    case broker::fate::too_large:
    case broker::fate::refused:
        break;
    }
    lines_.count(ivshmem::formatted("{}: a message of {} bytes is dropped: {}", message.topic,
                                    message.payload.size(), why));
}

} // namespace ivshmem_gateway
