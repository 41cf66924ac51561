// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "server.hpp"
#include "service/log.hpp"

#include <algorithm>
#include <utility>

// Sending to clients, and those that do not read.

namespace ivshmem_server {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds congestion_again{20};
/// How soon a client that has read its share gets the next one.
constexpr std::chrono::milliseconds share_again{1};

} // namespace

void server::flush(const client_ptr& c) {
    if (c->gone)
        return;
    std::error_code ec;
    const std::size_t most = share(*c);
    const auto result = c->flush(most, ec);
    count_unread(*c);
    switch (result) {
    case client::output::done:
        break;
    case client::output::full:
        watch_output(c);
        schedule_check(stall_again);
        break;
    case client::output::congested:
        schedule_check(congestion_again);
        if (most > 0)
            send_next_share(c);
        break;
    case client::output::broken:
        drop(c, "cannot send to it: " + ec.message());
        break;
    }
}

void server::watch_output(const client_ptr& c) {
    if (std::exchange(c->watched, true))
        return;
    service::log::detail("client {} is behind: it does not read its messages", c->id());
    c->socket().async_wait(asio::socket_base::wait_write, [this, c](const error_code& ec) {
        c->watched = false;
        if (c->gone || ec == asio::error::operation_aborted)
            return;
        flush(c);
        announce_departures();
    });
}

void server::send_next_share(const client_ptr& c) {
    ++c->shares_read;
    c->next_share.expires_after(share_again);
    c->next_share.async_wait([this, c](const error_code& cancelled) {
        if (cancelled || c->gone)
            return;
        flush(c);
        announce_departures();
    });
}

void server::schedule_check(std::chrono::milliseconds pause) {
    const auto when = steady::now() + pause;
    if (check_scheduled_ && check_timer_.expiry() <= when)
        return;
    check_scheduled_ = true;
    check_timer_.expires_at(when); // cancels a wait that is longer
    check_timer_.async_wait([this](const error_code& cancelled) {
        if (cancelled)
            return;
        check_scheduled_ = false;
        check();
    });
}

void server::check() {
    const auto now = steady::now();
    close_lingering();
    if (congested_)
        count_all_unread();
    bool behind = false;
    bool congested = false;
    for (const client_ptr& c : clients_) {
        if (c->last_output == client::output::congested)
            flush(c);
        behind = behind || c->last_output == client::output::full;
        congested = congested || c->last_output == client::output::congested;
    }
    if (congested && !congested_) {
        congested_since_ = now;
        congestion_logged_ = false;
        for (const client_ptr& c : clients_)
            c->begin_to_catch_up();
    }
    congested_ = congested;
    // Not at once: a congestion of clients that read is over in no time.
    if (congested && !congestion_logged_ && now - congested_since_ >= stall_again) {
        congestion_logged_ = true;
        log_congestion();
    }
    drop_stalled();
    announce_departures();
    if (behind || !lingering_.empty())
        schedule_check(stall_again);
}

void server::log_congestion() const {
    std::string slow;
    for (const client_ptr& c : clients_) {
        if (c->unread() > 0)
            slow += ivshmem::formatted(" {} ({})", c->id(), c->process());
    }
    service::log::error(
        "clients wait, because too many descriptors are in flight to clients that do not read "
        "them:{}; raise the limit of open descriptors (LimitNOFILE=) or give the server "
        "CAP_SYS_RESOURCE",
        slow);
}

void server::drop_stalled() {
    if (policy_.stall_timeout == std::chrono::seconds::zero())
        return;
    const auto too_old = steady::now() - policy_.stall_timeout;
    for (const client_ptr& c : clients_) {
        const bool full = c->last_output == client::output::full && c->progress() < too_old;
        // A client that reads a message now and then keeps the descriptors of the others too: it
        // must read all that it was sent.
        const bool holds = congested_ && c->last_output != client::output::done &&
                           c->unread() > 0 && c->caught_up() < too_old;
        if (full || holds)
            drop(c, ivshmem::formatted("it did not read for {} s", policy_.stall_timeout.count()));
    }
}

std::size_t server::share(client& c) {
    // Linux refuses descriptors to all clients when too many are in flight. So a client that does
    // not read gets no more of them once a quarter is used, and a client that reads gets a small
    // part of the rest at a time, so that some is left for the next.
    const std::size_t quarter = policy_.max_in_flight / 4;
    // The bound grows with each message, also to clients that have read it since.
    if (in_flight_ >= quarter && steady::now() - counted_all_ >= congestion_again) {
        count_all_unread();
        counted_all_ = steady::now();
    }
    if (in_flight_ < quarter)
        return SIZE_MAX;
    c.measure_unread();
    if (c.unread() > 0) {
        c.shares_read = 0;
        return 0;
    }
    const std::size_t left = policy_.max_in_flight - std::min(in_flight_, policy_.max_in_flight);
    const std::size_t parts = 4 * (clients_.size() + lingering_.size() + 1);
    // Doubled with each share that was read, so that a join beside many clients takes few.
    const std::size_t fewest_parts =
        std::max<std::size_t>(parts >> std::min(c.shares_read, 31U), 32);
    return std::clamp<std::size_t>(left / fewest_parts, 1, 64);
}

void server::count_unread(client& c) {
    c.measure_unread();
    in_flight_ += c.unread();
    in_flight_ -= std::exchange(c.counted, c.unread());
}

void server::count_all_unread() {
    for (const client_ptr& c : clients_)
        count_unread(*c);
}

void server::close_lingering() {
    std::erase_if(lingering_, [this](const client_ptr& c) {
        count_unread(*c);
        return c->unread() == 0; // the last owner closes the socket
    });
}

} // namespace ivshmem_server
