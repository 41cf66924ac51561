// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "server.hpp"

#include "backends/server_protocol.hpp"
#include "base/text.hpp"
#include "service/log.hpp"

#include <algorithm>
#include <utility>

#include <malloc.h>
#include <sys/socket.h>

namespace ivshmem_server {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds accept_again{1};

} // namespace

server::server(asio::io_context& io, acceptor_type acceptor, region memory,
               const client_policy& policy, ids numbers)
    : acceptor_{std::move(acceptor)}, accept_pause_{io},
      check_timer_{io}, memory_{std::move(memory)}, policy_{policy}, places_{std::move(numbers),
                                                                             policy.vectors,
                                                                             policy.max_clients} {
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
    for (const client_ptr& c : lingering_)
        c->socket().close(ignored);
    lingering_.clear();
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
            service::log::error("cannot accept a connection: {}; trying again every second",
                                ec.message());
        accept_pause_.expires_after(accept_again);
        accept_pause_.async_wait([this](const error_code& cancelled) {
            if (!cancelled)
                accept();
        });
    });
}

std::string server::no_room(const client& c) const {
    // A client that was dropped and still holds descriptors in flight counts, so that dropped
    // clients cannot use up all of them.
    const std::size_t present = clients_.size() + lingering_.size();
    if (present >= policy_.max_clients)
        return ivshmem::formatted("{} clients are connected, the most allowed (--max-clients, or "
                                  "the limit of open descriptors)",
                                  present);
    if (policy_.max_clients_per_uid == 0)
        return {};
    const auto same_user = [&](const client_ptr& other) {
        return other->uid() == c.uid();
    };
    const auto of_user = std::count_if(clients_.begin(), clients_.end(), same_user) +
                         std::count_if(lingering_.begin(), lingering_.end(), same_user);
    if (static_cast<std::size_t>(of_user) < policy_.max_clients_per_uid)
        return {};
    return ivshmem::formatted("{} clients of uid {} are connected, the most allowed "
                              "(--max-clients-per-uid)",
                              of_user, c.uid());
}

void server::accepted(client::socket_type socket) {
    const auto c = std::make_shared<client>(std::move(socket));
    if (const std::string reason = no_room(*c); !reason.empty()) {
        service::log::error("refused {}: {}", c->process(), reason);
        return;
    }
    std::error_code ec;
    auto p = places_.take(clients_.size(), ec);
    if (ec) {
        service::log::error("refused {}: cannot create its eventfds: {}", c->process(),
                            ec.message());
        return;
    }
    if (!p) {
        service::log::error(
            "refused {}: each of the {} ids is in use, or a connected client saw its "
            "departure and must not see it again; restart the oldest client, {} ({})",
            c->process(), ids::count, clients_.front()->id(), clients_.front()->process());
        return;
    }
    c->join(std::move(*p));
    join(c);
    update_supply();
}

void server::join(const client_ptr& c) {
    service::log::info("client {} joined: {}", c->id(), c->process());
    c->queue_number(ivshmem::server_protocol::version);
    c->queue_number(c->id());
    c->queue_memory(memory_.fd);
    const auto tell = [&](const client_ptr& to, const client_ptr& peer) {
        if (to->queue_peer(peer->its_place()))
            places_.numbers().add_knower(peer->id());
    };
    for (const client_ptr& other : clients_) {
        tell(c, other);
        tell(other, c);
        flush(other);
    }
    tell(c, c);
    clients_.push_back(c);
    most_clients_ = std::max(most_clients_, clients_.size());
    watch_input(c);
    flush(c);
}

void server::drop(const client_ptr& c, const std::string& why) {
    if (std::exchange(c->gone, true))
        return;
    service::log::info("client {} left: {}, {}", c->id(), c->process(), why);
    error_code ignored;
    count_unread(*c);
    if (c->unread() == 0) {
        c->socket().close(ignored);
    } else {
        // Closing this end would not release the descriptors in flight, and would hide when the
        // client releases them.
        c->socket().cancel(ignored);
        c->socket().shutdown(asio::socket_base::shutdown_both, ignored);
        lingering_.push_back(c);
        schedule_check(stall_again);
    }
    dropped_.push_back(c);
}

void server::announce_departures() {
    while (!dropped_.empty()) {
        // All at once: what is queued for a client that left takes memory, and time for each
        // other one that left with it.
        std::erase_if(clients_, [](const client_ptr& c) { return c->gone; });
        for (const client_ptr& c : std::exchange(dropped_, {})) {
            c->known().for_each([&](std::uint16_t id) { places_.numbers().remove_knower(id); });
            place p = c->leave();
            if (places_.state() == places::supply::scarce)
                places_.keep(std::move(p));
            else
                release(p);
            update_supply();
        }
    }
    // The C library keeps the memory of a crowd that has left, in pieces between that of others.
    if (clients_.size() < most_clients_ / 2) {
        ::malloc_trim(0);
        most_clients_ = clients_.size();
    }
}

void server::release(const place& p) {
    for (const client_ptr& other : clients_) {
        if (other->gone)
            continue;
        if (other->queue_departure(p.id, policy_.departures))
            places_.numbers().remove_knower(p.id);
        flush(other);
    }
    places_.numbers().give_back(p.id);
}

void server::update_supply() {
    if (!places_.update())
        return;
    const std::string left =
        ivshmem::formatted("{} of {} ids are left", places_.numbers().clean(), ids::count);
    if (places_.state() == places::supply::plenty || clients_.empty()) {
        service::log::info("{}", left);
    } else {
        const client& oldest = *clients_.front();
        service::log::error(
            "{}: an id is not given again while a client is connected that saw it leave; "
            "{}; to free ids, restart the oldest client, {} ({})",
            left,
            places_.state() == places::supply::low
                ? ivshmem::formatted("below {}, departures will not be announced", places::reserve)
                : "from now on departures are not announced, and ids are given again with "
                  "the same eventfds",
            oldest.id(), oldest.process());
    }
    if (places_.state() != places::supply::scarce) {
        for (const place& p : places_.take_kept())
            release(p);
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
            drop(c, "it sent data, which no ivshmem client does (QEMU's vfio-user-pci needs a "
                    "socket of "
                    "ivshmem-device)");
        else if (errno != EAGAIN && errno != EWOULDBLOCK)
            drop(c, std::error_code{errno, std::system_category()}.message());
        else
            watch_input(c);
        announce_departures();
    });
}

} // namespace ivshmem_server
