// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "peers/pinger.hpp"

#include "common/print.hpp"
#include "connections/with_error.hpp"
#include "open_device.hpp"
#include "peers/claim_slot.hpp"

#include <ivshmem/asio/connect.hpp>
#include <ivshmem/service_directory.hpp>

#include <boost/asio.hpp>

#include <algorithm>
#include <cstring>

namespace ivshmemctl {

namespace net = boost::asio;
using connections::with_error;

namespace {

constexpr std::chrono::milliseconds look_again{20};

/// Returns whether the channel has ended and another one may follow.
bool is_end_of_channel(const boost::system::error_code& ec) {
    for (const auto end : {ivshmem::errc::channel_closed, ivshmem::errc::channel_reset,
                           ivshmem::errc::not_connected, ivshmem::errc::channel_poisoned,
                           ivshmem::errc::channel_rejected, ivshmem::errc::peer_lost})
        if (ec == end)
            return true;
    return false;
}

} // namespace

pinger::pinger(ivshmem::device& device, ivshmem::asio::slot& slot, const options& how,
               std::function<void(const outcome&)> report)
    : device_{device}, slot_{slot}, options_{how}, report_{std::move(report)},
      channel_{slot.get_executor()}, message_(how.size),
      answer_(how.size), pause_{slot.get_executor()}, watch_{slot.get_executor()} {
    for (std::size_t i = 0; i < message_.size(); ++i)
        message_[i] = static_cast<std::byte>(i);
}

net::awaitable<void> pinger::run() {
    net::co_spawn(slot_.get_executor(), watch(), net::detached);
    auto next = clock::now();
    while (!stopping_ && sequence_ != options_.count) {
        ++sequence_;
        statistics_.sent();
        deadline_ = clock::now() + options_.timeout;
        expired_ = false;
        probing_ = true;
        const error_code ec = co_await probe();
        probing_ = false;
        if (ec)
            conclude(ec);
        if (stopping_ || options_.interval.count() == 0 || sequence_ == options_.count)
            continue;
        next = std::max(next + options_.interval, clock::now());
        pause_.expires_at(next);
        co_await pause_.async_wait(with_error);
    }
    stop();
}

void pinger::stop() {
    stopping_ = true;
    abandon();
    watch_.cancel();
}

void pinger::abandon() {
    expired_ = true;
    pause_.cancel();
    connecting_.emit(net::cancellation_type::terminal);
    if (channel_.is_open())
        channel_.cancel();
}

net::awaitable<void> pinger::watch() {
    while (!stopping_) {
        // A message that is sent from now on has at least this much time.
        watch_.expires_at(probing_ && !expired_ ? deadline_ : clock::now() + options_.timeout);
        co_await watch_.async_wait(with_error);
        if (probing_ && !expired_ && clock::now() >= deadline_)
            abandon();
    }
}

net::awaitable<pinger::error_code> pinger::probe() {
    if (!channel_.is_open())
        if (const error_code ec = co_await connect())
            co_return ec;
    if (over()) // the timeout passed during connect()
        co_return net::error::operation_aborted;
    std::memcpy(message_.data(), &sequence_, sizeof sequence_);
    sent_ = clock::now();
    const auto [failed, all] = co_await channel_.async_send(net::buffer(message_), with_error);
    if (failed)
        co_return failed;
    if (over()) { // abandon() ran between the two operations and had nothing to cancel
        overdue_.emplace(sequence_, sent_);
        co_return net::error::operation_aborted;
    }
    for (;;) {
        const auto [ec, size] = co_await channel_.async_receive(net::buffer(answer_), with_error);
        if (ec == net::error::operation_aborted)
            overdue_.emplace(sequence_, sent_);
        if (ec || is_answer(size, sent_))
            co_return ec;
        if (over()) {
            overdue_.emplace(sequence_, sent_);
            co_return net::error::operation_aborted;
        }
    }
}

bool pinger::is_answer(std::size_t size, clock::time_point sent) {
    const auto now = clock::now();
    if (size == message_.size() && std::memcmp(answer_.data(), message_.data(), size) == 0) {
        statistics_.received(now - sent);
        if (report_)
            report_({outcome::kind::answered, sequence_, now - sent});
        return true;
    }
    std::uint64_t number = 0;
    if (size == message_.size() &&
        std::memcmp(answer_.data() + sizeof number, message_.data() + sizeof number,
                    size - sizeof number) == 0)
        std::memcpy(&number, answer_.data(), sizeof number);
    const auto late = overdue_.find(number);
    if (late == overdue_.end()) {
        report_outcome({outcome::kind::wrong, sequence_});
        return false;
    }
    statistics_.received(now - late->second);
    report_outcome({outcome::kind::late, number, now - late->second});
    overdue_.erase(late);
    return false;
}

void pinger::conclude(const error_code& ec) {
    if (ec == net::error::operation_aborted) {
        if (!stopping_)
            report_outcome({outcome::kind::unanswered,
                            sequence_,
                            {},
                            channel_.is_open() ? "" : "no peer serves"});
        return;
    }
    if (!is_end_of_channel(ec))
        throw explain_failure(device_, ec);
    channel_.close();
    overdue_.clear();
    report_outcome({outcome::kind::unanswered, sequence_, {}, ec.message()});
}

void pinger::report_outcome(const outcome& o) const {
    if (report_)
        report_(o);
}

net::awaitable<pinger::error_code> pinger::connect() {
    ivshmem::asio::connect_options how;
    how.channel.max_message = static_cast<std::uint32_t>(options_.size);
    while (options_.peer && !(how.slot = find_server())) {
        check_device();
        if (over())
            co_return net::error::operation_aborted;
        pause_.expires_after(look_again);
        co_await pause_.async_wait(with_error);
    }
    if (over()) // the timeout passed during the pause
        co_return net::error::operation_aborted;
    auto [ec, channel] = co_await ivshmem::asio::async_connect(
        slot_, ping_service, how, net::bind_cancellation_slot(connecting_.slot(), with_error));
    if (ec)
        co_return ec;
    channel_ = std::move(channel);
    const std::uint32_t slot = channel_.next_layer().peer_slot();
    const auto holder = slot_.next_layer().find_holder(slot);
    peer_name_ = holder && device_.capabilities().ring
                     ? tools::format("peer {} (slot {})", holder->peer, slot)
                     : tools::format("slot {}", slot);
    co_return error_code{};
}

std::optional<std::uint32_t> pinger::find_server() const {
    const auto& slot = slot_.next_layer();
    const ivshmem::service_directory directory{slot};
    for (const auto& holder : slot.holders()) {
        std::error_code ec;
        static_cast<void>(directory.find_service(ping_service, holder.slot, ec));
        if (holder.peer == *options_.peer && !ec)
            return holder.slot;
    }
    return std::nullopt;
}

/// Throws if the device is being removed, while there is no channel that would report it.
void pinger::check_device() {
    if (!device_.capabilities().removal_events)
        return;
    const auto event = device_.next_event();
    if (event && event->type == ivshmem::event::kind::removal_requested)
        throw explain_failure(device_, ivshmem::errc::device_removed);
}

} // namespace ivshmemctl
