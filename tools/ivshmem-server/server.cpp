// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "server.hpp"

#include "backends/server_protocol.hpp"
#include "base/text.hpp"
#include "log.hpp"

#include <algorithm>
#include <utility>

#include <sys/socket.h>

namespace ivshmem_server {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds accept_again{1};
constexpr std::chrono::milliseconds congestion_again{20};
constexpr std::chrono::milliseconds stall_again{500};

} // namespace

server::server(asio::io_context& io, acceptor_type acceptor, region memory,
               const client_policy& policy, ids numbers)
    : acceptor_{std::move(acceptor)}, accept_pause_{io},
      check_timer_{io}, memory_{std::move(memory)}, policy_{policy}, ids_{numbers} {
    accept();
}

void server::stop() {
    error_code ignored;
    acceptor_.close(ignored);
    accept_pause_.cancel();
    check_timer_.cancel();
    for (const client_ptr& c : clients_) {
        c->gone = true;
        c->socket().close(ignored);
    }
    clients_.clear();
}

void server::accept() {
    acceptor_.async_accept([this](const error_code& ec, client::socket_type socket) {
        if (ec == asio::error::operation_aborted || !acceptor_.is_open())
            return;
        if (!ec) {
            accept_paused_ = false;
            accepted(std::move(socket));
            announce_departures();
            accept();
            return;
        }
        // EMFILE, ENFILE or ENOMEM: the connection stays pending, so an immediate retry would fail
        // too.
        if (!std::exchange(accept_paused_, true))
            log::error("cannot accept a connection: {}; trying again every second", ec.message());
        accept_pause_.expires_after(accept_again);
        accept_pause_.async_wait([this](const error_code& cancelled) {
            if (!cancelled)
                accept();
        });
    });
}

void server::accepted(client::socket_type socket) {
    std::error_code ec;
    // A client that is refused needs no eventfds.
    const bool full = clients_.size() >= policy_.max_clients;
    const auto c = std::make_shared<client>(std::move(socket), full ? 0 : policy_.vectors, ec);
    if (full) {
        log::error("refused {}: {} clients are connected, the most allowed (--max-clients, or the "
                   "limit of open descriptors)",
                   c->process(), clients_.size());
        return;
    }
    if (ec) {
        log::error("refused {}: cannot create its eventfds: {}", c->process(), ec.message());
        return;
    }
    const auto id = ids_.take(clients_.empty() ? UINT64_MAX : clients_.front()->joined());
    if (!id) {
        log::error("refused {}: each of the {} ids is in use, or was used while client {} was "
                   "connected, which must not see it again; restart that client ({})",
                   c->process(), ids::count, clients_.front()->id(), clients_.front()->process());
        return;
    }
    c->join(*id, ++now_);
    join(c);
}

void server::join(const client_ptr& c) {
    log::info("client {} joined: {}", c->id(), c->process());
    c->queue_number(ivshmem::server_protocol::version);
    c->queue_number(c->id());
    c->queue_memory(memory_.fd);
    for (const client_ptr& other : clients_) {
        c->queue_peer(*other);
        other->queue_peer(*c);
        flush(other);
    }
    c->queue_peer(*c);
    clients_.push_back(c);
    watch_input(c);
    flush(c);
}

void server::drop(const client_ptr& c, const std::string& why) {
    if (std::exchange(c->gone, true))
        return;
    log::info("client {} left: {}, {}", c->id(), c->process(), why);
    error_code ignored;
    c->socket().close(ignored);
    dropped_.push_back(c);
}

void server::announce_departures() {
    while (!dropped_.empty()) {
        // Keeps the client until the others drop its eventfds.
        const client_ptr c = std::move(dropped_.back());
        dropped_.pop_back();
        clients_.erase(std::find(clients_.begin(), clients_.end(), c));
        ids_.give_back(c->id(), ++now_);
        for (const client_ptr& other : clients_) {
            other->queue_departure(*c, policy_.departures);
            flush(other);
        }
    }
}

void server::flush(const client_ptr& c) {
    if (c->gone)
        return;
    std::error_code ec;
    switch (c->flush(ec)) {
    case client::output::done:
        break;
    case client::output::full:
        watch_output(c);
        schedule_check();
        break;
    case client::output::congested:
        schedule_check();
        break;
    case client::output::broken:
        drop(c, "cannot send to it: " + ec.message());
        break;
    }
}

void server::watch_input(const client_ptr& c) {
    c->socket().async_wait(asio::socket_base::wait_read, [this, c](const error_code& ec) {
        if (c->gone || ec == asio::error::operation_aborted)
            return;
        char byte = 0;
        const ssize_t got = ivshmem::retry_eintr(
            [&] { return ::recv(c->socket().native_handle(), &byte, 1, MSG_DONTWAIT); });
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            drop(c, "it closed the connection");
        else if (got > 0)
            drop(c, "it sent data, which no ivshmem client does");
        else if (errno != EAGAIN && errno != EWOULDBLOCK)
            drop(c, std::error_code{errno, std::system_category()}.message());
        else
            watch_input(c);
        announce_departures();
    });
}

void server::watch_output(const client_ptr& c) {
    if (std::exchange(c->watched, true))
        return;
    log::detail("client {} is behind: it does not read its messages", c->id());
    c->socket().async_wait(asio::socket_base::wait_write, [this, c](const error_code& ec) {
        c->watched = false;
        if (c->gone || ec == asio::error::operation_aborted)
            return;
        flush(c);
        announce_departures();
    });
}

void server::schedule_check() {
    if (std::exchange(check_scheduled_, true))
        return;
    const bool congested = std::any_of(clients_.begin(), clients_.end(), [](const auto& c) {
        return c->last_output == client::output::congested;
    });
    check_timer_.expires_after(congested ? congestion_again : stall_again);
    check_timer_.async_wait([this](const error_code& cancelled) {
        check_scheduled_ = false;
        if (!cancelled)
            check();
    });
}

void server::check() {
    bool behind = false;
    bool congested = false;
    for (const client_ptr& c : clients_) {
        if (c->last_output == client::output::congested)
            flush(c);
        behind = behind || c->last_output == client::output::full;
        congested = congested || c->last_output == client::output::congested;
    }
    if (congested && !congested_)
        log_congestion();
    congested_ = congested;
    drop_stalled();
    announce_departures();
    if (behind || congested)
        schedule_check();
}

void server::log_congestion() const {
    std::string slow;
    for (const client_ptr& c : clients_) {
        if (c->has_unread())
            slow += ivshmem::formatted(" {} ({})", c->id(), c->process());
    }
    log::error(
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
        if (c->last_output == client::output::full && c->progress() < too_old)
            drop(c, ivshmem::formatted("it did not read for {} s", policy_.stall_timeout.count()));
    }
}

} // namespace ivshmem_server
