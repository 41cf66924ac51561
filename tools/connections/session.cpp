// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/session.hpp"

#include <algorithm>
#include <limits>

namespace connections {

using happened = session::event::kind;

session::session(side which, limits own)
    : side_{which}, own_{own}, wants_hello_{which == side::client} {
    if (side_ == side::client)
        own_.connections = 0;
}

session::event session::break_off() {
    end(reason::fault);
    return {.what = happened::fault, .why = reason::fault};
}

session::event session::receive(std::span<const std::byte> message) {
    if (ended_)
        return {};
    const auto f = decode(message);
    if (!f || (f->type != frame_type::bye && greeted_ == (f->type == frame_type::hello)))
        return break_off();
    switch (f->type) {
    case frame_type::hello:
        return receive_hello(*f);
    case frame_type::open:
        return receive_open(*f);
    case frame_type::ping:
        wants_pong_ = true;
        return {};
    case frame_type::pong:
        return {};
    case frame_type::bye:
        ended_ = true;
        return {.what = happened::bye, .why = static_cast<reason>(f->value)};
    default:
        break;
    }
    if (f->connection > last_)
        return break_off();
    const auto at = table_.find(f->connection);
    if (at == table_.end() || at->second.resetting)
        return {}; // it ended here before the peer knew
    return receive_of(at, *f);
}

session::event session::receive_hello(const frame& f) {
    // A service that only sends back what it gets is none of this protocol.
    if ((f.promised.connections != 0) != (side_ == side::client))
        return break_off();
    if (f.value != protocol_version) {
        end(reason::version);
        return {.what = happened::fault, .why = reason::version};
    }
    peer_ = f.promised;
    greeted_ = true;
    wants_hello_ = side_ == side::service;
    return {.what = happened::greeted};
}

session::event session::receive_open(const frame& f) {
    if (side_ != side::service || f.connection != last_ + 1 || table_.size() >= own_.connections)
        return break_off();
    last_ = f.connection;
    connection& c = table_[last_];
    c.credit = peer_.window;
    c.allowed = own_.window;
    return {.what = happened::opened, .connection = last_};
}

session::event session::receive_of(table::iterator at, const frame& f) {
    const std::uint32_t id = at->first;
    connection& c = at->second;
    if (f.type == frame_type::reset) {
        erase(at);
        return {.what = happened::reset,
                .connection = id,
                .why = f.value == 0 ? reason::fault : static_cast<reason>(f.value)};
    }
    if (f.type == frame_type::accept) {
        if (side_ != side::client || c.accepted)
            return break_off();
        c.accepted = true;
        enqueue(id, c);
        return {.what = happened::accepted, .connection = id};
    }
    if (!c.accepted)
        return break_off();
    if (f.type == frame_type::window) {
        if (f.value == 0 || f.value > peer_.window - c.credit)
            return break_off();
        c.credit += f.value;
        enqueue(id, c);
        return {};
    }
    if (c.finish_received)
        return break_off();
    if (f.type == frame_type::finish) {
        c.finish_received = true;
        end_if_finished(at);
        return {.what = happened::finished, .connection = id};
    }
    if (f.bytes.size() > std::min(own_.longest, c.allowed))
        return break_off();
    c.allowed -= static_cast<std::uint32_t>(f.bytes.size());
    return {.what = happened::data, .connection = id, .bytes = f.bytes};
}

bool session::owes_window(const connection& c) const {
    return !c.finish_received && c.owed != 0 && c.owed >= own_.window / 2;
}

bool session::has_turn(const connection& c) const {
    if (c.resetting || c.wants_accept)
        return true;
    const bool sends = !c.finish_sent && (c.finishing || (c.ready && c.credit != 0));
    return c.accepted && (sends || owes_window(c));
}

void session::enqueue(std::uint32_t id, const connection& c) {
    if (has_turn(c))
        queue_.insert(id);
}

void session::erase(table::iterator at) {
    queue_.erase(at->first);
    table_.erase(at);
}

void session::end_if_finished(table::iterator at) {
    if (at->second.finish_sent && at->second.finish_received)
        erase(at);
}

session::turn session::next(std::span<std::byte> into) {
    const auto send = [&](frame f) {
        return turn{.what = turn::kind::frame, .size = encode(f, into)};
    };
    if (wants_hello_) {
        wants_hello_ = false;
        return send({.type = frame_type::hello, .value = protocol_version, .promised = own_});
    }
    if (wants_bye_) {
        wants_bye_ = false;
        return send({.type = frame_type::bye, .value = static_cast<std::uint32_t>(end_reason_)});
    }
    if (ended_)
        return {};
    if (wants_pong_) {
        wants_pong_ = false;
        return send({.type = frame_type::pong});
    }
    if (wants_ping_ && greeted_) {
        wants_ping_ = false;
        return send({.type = frame_type::ping});
    }
    if (side_ == side::client && last_sent_ != last_)
        return send({.type = frame_type::open, .connection = ++last_sent_});
    while (!queue_.empty()) {
        auto chosen = queue_.upper_bound(turn_);
        if (chosen == queue_.end())
            chosen = queue_.begin();
        turn_ = *chosen;
        queue_.erase(chosen);
        // A frame may have taken the reason away since: no WINDOW is due after FINISH.
        if (const auto at = table_.find(turn_); has_turn(at->second))
            return next_of(at, into);
    }
    return {};
}

session::turn session::next_of(table::iterator at, std::span<std::byte> into) {
    const std::uint32_t id = at->first;
    connection& c = at->second;
    frame f{.connection = id};
    if (c.resetting) {
        f.type = frame_type::reset;
        f.value = static_cast<std::uint32_t>(c.why);
    } else if (c.wants_accept) {
        f.type = frame_type::accept;
        c.wants_accept = false;
        c.accepted = true;
    } else if (owes_window(c)) {
        f.type = frame_type::window;
        f.value = c.owed;
        c.allowed += c.owed;
        c.owed = 0;
    } else if (c.ready && c.credit != 0) {
        return {
            .what = turn::kind::data, .connection = id, .size = std::min(c.credit, peer_.longest)};
    } else {
        f.type = frame_type::finish;
        c.finish_sent = true;
    }
    const turn t{.what = turn::kind::frame, .connection = id, .size = encode(f, into)};
    if (f.type == frame_type::reset) {
        erase(at);
        return t;
    }
    enqueue(id, c);
    end_if_finished(at);
    return t;
}

void session::put_data(std::uint32_t id, std::size_t size, std::span<std::byte> head) {
    const auto at = table_.find(id);
    if (at == table_.end())
        return;
    connection& c = at->second;
    c.ready = false;
    if (size != 0)
        encode({.type = frame_type::data, .connection = id}, head);
    c.credit -= static_cast<std::uint32_t>(size);
    enqueue(id, c);
}

std::optional<std::uint32_t> session::open() {
    if (side_ != side::client || !greeted_ || ended_ || table_.size() >= peer_.connections ||
        last_ == std::numeric_limits<std::uint32_t>::max())
        return std::nullopt;
    connection& c = table_[++last_];
    c.credit = peer_.window;
    c.allowed = own_.window;
    return last_;
}

void session::accept(std::uint32_t id) {
    if (const auto at = table_.find(id); at != table_.end() && !at->second.accepted) {
        at->second.wants_accept = true;
        enqueue(id, at->second);
    }
}

void session::set_ready(std::uint32_t id) {
    if (const auto at = table_.find(id); at != table_.end()) {
        at->second.ready = true;
        enqueue(id, at->second);
    }
}

void session::finish(std::uint32_t id) {
    if (const auto at = table_.find(id); at != table_.end()) {
        at->second.ready = false;
        at->second.finishing = true;
        enqueue(id, at->second);
    }
}

void session::reset(std::uint32_t id, reason why) {
    const auto at = table_.find(id);
    if (at == table_.end() || at->second.resetting)
        return;
    at->second.resetting = true;
    at->second.why = why;
    enqueue(id, at->second);
}

void session::taken(std::uint32_t id, std::size_t size) {
    if (const auto at = table_.find(id); at != table_.end()) {
        at->second.owed += static_cast<std::uint32_t>(size);
        enqueue(id, at->second);
    }
}

void session::end(reason why) {
    if (ended_)
        return;
    ended_ = true;
    wants_hello_ = false; // BYE comes instead of it
    wants_bye_ = true;
    end_reason_ = why;
}

bool session::has_finished(std::uint32_t id) const {
    const auto at = table_.find(id);
    return at != table_.end() && at->second.finish_sent;
}

bool session::has_credit(std::uint32_t id) const {
    const auto at = table_.find(id);
    return at != table_.end() && at->second.accepted && at->second.credit != 0;
}

} // namespace connections
