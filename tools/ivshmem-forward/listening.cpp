// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "listening.hpp"

#include "base/text.hpp"
#include "connections/with_error.hpp"
#include "service/log.hpp"

#include <ivshmem/asio/connect.hpp>
#include <ivshmem/service_directory.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

namespace ivshmem_forward {
namespace {

namespace net = boost::asio;
namespace log = service::log;
using connections::reason;
using connections::with_error;

/// The time that a channel stays open without connections, for the next client.
constexpr std::chrono::seconds idle_time{10};
/// The time that a peer has to answer if others offer the service too.
constexpr std::chrono::milliseconds answer_time{500};
/// The time between two tries to connect, which doubles.
constexpr std::chrono::milliseconds first_delay{50};
constexpr std::chrono::milliseconds longest_delay{2000};

/// Whether the next try would have the same answer.
bool is_lasting(reason why) {
    return why == reason::not_allowed || why == reason::version || why == reason::fault;
}

} // namespace

listening::listening(ivshmem::asio::slot& from, const listened& asked, hooks h, ivshmem::failure& f)
    : slot_{from}, asked_{asked}, name_{asked.to.text()}, hooks_{std::move(h)},
      listener_{from.get_executor(), asked, f}, patience_{from.get_executor()},
      idle_{from.get_executor()}, answer_{from.get_executor()}, retry_{from.get_executor()} {
    const auto slots = f ? 0 : from.next_layer().geometry().slots;
    if (!f && asked.to.slot && (*asked.to.slot >= slots || *asked.to.slot == from.number()))
        f.set(ivshmem::errc::slot_out_of_range,
              "{}: {}: slot {} is not that of a peer; there are 0 to {}, and {} is this program's",
              asked.where, name_, *asked.to.slot, slots - 1, from.number());
}

void listening::start() {
    listener_.start([this](int socket, const std::string& who) { take(socket, who); });
    log::info("{}: listening at {}", name_, asked_.at.text());
}

void listening::stop() {
    stopping_ = true;
    listener_.close();
    refuse_all(this_side_ends);
    patience_.cancel();
    idle_.cancel();
    answer_.cancel();
    retry_.cancel();
    stop_connecting_.emit(net::cancellation_type::total);
    if (carrier_)
        carrier_->end(reason::stopped);
}

void listening::take(int socket, const std::string& who) {
    client c{connections::end_point::of_socket(slot_.get_executor(), socket), who,
             clock::now() + asked_.wait};
    if (open_ + waiting_.size() >= asked_.connections)
        return refuse(std::move(c), "the limit of connections is reached (--connections)");
    if (ready_)
        return pass_on(std::move(c));
    waiting_.push_back(std::move(c));
    if (waiting_.size() == 1)
        watch_patience();
    if (std::exchange(connecting_, true))
        return;
    net::co_spawn(slot_.get_executor(), connect_while_needed(),
                  [](const std::exception_ptr& failed) {
                      if (failed)
                          std::rethrow_exception(failed);
                  });
}

void listening::pass_on(client c) {
    const std::uint32_t slot = carrier_->peer_slot();
    log::detail("{}: {}: connected to slot {}", name_, c.who, slot);
    ++open_;
    idle_.cancel();
    carrier_->open(std::move(c.end), [this, slot, who = c.who](const connections::ending& how) {
        --open_;
        log::info("{}: {} to slot {}: {} bytes sent, {} received; {}", name_, who, slot, how.sent,
                  how.received, stopping_ ? this_side_ends : connections::text_of(how));
        watch_idle();
    });
}

void listening::pass_on_all() {
    patience_.cancel();
    for (auto& c : std::exchange(waiting_, {}))
        pass_on(std::move(c));
    watch_idle(); // all may have left
}

void listening::refuse(client c, const std::string& why) {
    log::info("{}: {} is refused: {}", name_, c.who, why);
    c.end.close(true);
}

void listening::refuse_all(const std::string& why) {
    for (auto& c : std::exchange(waiting_, {}))
        refuse(std::move(c), why);
}

void listening::watch_patience() {
    patience_.expires_at(waiting_.front().until);
    patience_.async_wait([this](const boost::system::error_code& ec) {
        if (!ec)
            refuse_impatient();
    });
}

void listening::refuse_impatient() {
    if (waiting_.empty())
        return;
    const auto now = clock::now();
    const std::string why = why_absent();
    while (!waiting_.empty() && waiting_.front().until <= now) {
        refuse(std::move(waiting_.front()), why);
        waiting_.pop_front();
    }
    if (!waiting_.empty())
        return watch_patience();
    retry_.cancel();
    stop_connecting_.emit(net::cancellation_type::total);
    if (carrier_ && !ready_)
        carrier_->end(reason::stopped);
}

std::string listening::why_absent() const {
    if (no_lane_)
        return "all lanes between the two slots are in use; use fewer services at once, or more "
               "lanes: see SERVICES AND LANES in ivshmem-forward(8)";
    std::error_code ec;
    const auto found = ivshmem::service_directory{slot_.next_layer()}.find_service(
        asked_.to.name, asked_.to.slot, ec);
    if (!ec)
        return ivshmem::formatted("slot {} offers the service, but does not answer; the program "
                                  "there may have been killed, or stopped: start it again",
                                  found.slot);
    return ivshmem::formatted(
        "no peer offers the service; on the other side run \"ivshmem-forward --offer {} --from "
        "ADDRESS\", or \"ivshmemctl offer\"",
        asked_.to.name);
}

/// Whether the channel has no connections. Those of an earlier one may still be open.
bool listening::is_idle() const {
    return ready_ && carrier_ && carrier_->connections() == 0;
}

void listening::watch_idle() {
    if (!is_idle() || !waiting_.empty())
        return;
    idle_.expires_after(idle_time);
    idle_.async_wait([this](const boost::system::error_code& ec) {
        if (!ec)
            give_lane_back();
    });
}

void listening::give_lane_back() {
    if (!is_idle())
        return;
    ready_ = false;
    carrier_->end(reason::stopped);
}

/// Returns the slot that is asked for the service; nothing if any that offers it will do. A peer
/// that was killed, as its whole VM may be, goes on to offer what it did.
std::optional<std::uint32_t> listening::next_slot() const {
    if (asked_.to.slot)
        return asked_.to.slot;
    const auto all = connections::other_offers(slot_.next_layer(), asked_.to.name);
    if (all.size() < 2)
        return std::nullopt;
    return all[silent_ % all.size()];
}

void listening::watch_answer() {
    answer_.expires_after(answer_time);
    answer_.async_wait([this](const boost::system::error_code& ec) {
        if (ec || ready_)
            return;
        ++silent_;
        if (carrier_)
            carrier_->end(reason::stopped);
        else
            stop_connecting_.emit(net::cancellation_type::total);
    });
}

net::awaitable<void> listening::connect_while_needed() {
    auto delay = first_delay;
    while (!stopping_ && !waiting_.empty()) {
        const auto at = next_slot();
        if (at && !asked_.to.slot)
            watch_answer();
        auto [ec, channel] = co_await ivshmem::asio::async_connect(
            slot_, asked_.to.name, {.slot = at, .channel = connections::channel_for({})},
            net::bind_cancellation_slot(stop_connecting_.slot(), with_error));
        if (ec == net::error::operation_aborted)
            continue; // nobody waits any more, or another peer is asked
        no_lane_ = ec == ivshmem::errc::lane_in_use;
        if (ec && !no_lane_)
            break; // the slot is lost, which ends the program
        if (no_lane_)
            hooks_.no_lane();
        if (!ec && co_await carry(std::move(channel)))
            delay = first_delay;
        if (stopping_ || waiting_.empty())
            continue;
        retry_.expires_after(delay);
        co_await retry_.async_wait(with_error);
        delay = std::min(delay * 2, longest_delay);
    }
    no_lane_ = false;
    connecting_ = false;
    hooks_.ended();
}

/// Returns whether the peer has greeted.
net::awaitable<bool> listening::carry(ivshmem::asio::channel channel) {
    const std::uint32_t slot = channel.next_layer().peer_slot();
    bool greeted = false;
    connections::carrier::hooks hooks;
    hooks.greeted = [&] {
        ready_ = greeted = true;
        answer_.cancel();
        log::detail("{}: a channel to slot {} is open", name_, slot);
        pass_on_all();
    };
    carrier_ = std::make_shared<connections::carrier>(std::move(channel),
                                                      connections::session::side::client,
                                                      connections::limits{}, std::move(hooks));
    const auto end = co_await carrier_->run();
    ready_ = false;
    carrier_.reset();
    idle_.cancel();
    if (stopping_)
        co_return greeted;
    if (end.failed || end.why != reason::stopped)
        log::info("{}: the channel to slot {} has ended: {}", name_, slot, end.text());
    else
        log::detail("{}: the channel to slot {} is closed", name_, slot);
    if (is_lasting(end.why)) {
        patience_.cancel();
        refuse_all(end.text());
    }
    co_return greeted;
}

} // namespace ivshmem_forward
