// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/carrier.hpp"

#include <cerrno>
#include <utility>

// The part of a carrier that moves the bytes of one connection from and to its local end.

namespace connections {

carrier::joint_ptr carrier::find(std::uint32_t id) const {
    const auto at = joints_.find(id);
    return at == joints_.end() ? nullptr : at->second;
}

ssize_t carrier::read_input(joint& j, std::span<std::byte> into) {
    const ssize_t got = j.local.read(into);
    if (got > 0)
        return got;
    const int number = errno;
    if (got == 0) {
        j.input_ended = true;
        session_.finish(j.id);
    } else if (number != EAGAIN) {
        break_connection(j, reason::broken, number);
    }
    return 0;
}

void carrier::watch_input(const joint_ptr& j) {
    if (j->waits_input || j->input_ended || j->over)
        return;
    j->waits_input = true;
    j->local.async_wait_input([weak = weak_from_this(), j](const boost::system::error_code& ec) {
        j->waits_input = false;
        const auto self = weak.lock();
        if (!self || j->over || ec)
            return;
        self->session_.set_ready(j->id);
        self->kick();
    });
}

void carrier::watch_output(const joint_ptr& j) {
    if (j->waits_output || j->over)
        return;
    j->waits_output = true;
    // The carrier lives until the bytes are taken, also without its channel.
    j->local.async_wait_output([self = shared_from_this(), j](const boost::system::error_code& ec) {
        j->waits_output = false;
        if (j->over || ec)
            return;
        self->write_pending(j);
        self->kick();
        if (j->over)
            return;
        if (!j->pending.empty())
            return self->watch_output(j);
        self->finish_output(*j);
        self->end_if_over(*j);
    });
}

void carrier::write_pending(const joint_ptr& j) {
    if (j->pending.empty())
        return;
    const ssize_t put = j->local.write(std::span{j->pending}.subspan(j->written));
    if (put < 0) {
        if (errno != EAGAIN)
            output_is_broken(*j, errno);
        return;
    }
    j->written += static_cast<std::size_t>(put);
    session_.taken(j->id, static_cast<std::size_t>(put));
    if (j->written == j->pending.size()) {
        j->pending = {};
        j->written = 0;
    }
}

void carrier::output_is_broken(joint& j, int number) {
    // A program that has closed its socket may have written an answer before.
    if (!j.local.is_socket() || number != EPIPE)
        return break_connection(j, reason::broken, number);
    session_.taken(j.id, j.pending.size() - j.written);
    j.output_failed = true;
    j.pending = {};
    j.written = 0;
    after_turn(j.id);
}

void carrier::finish_output(joint& j) {
    if (j.finish_received && j.pending.empty() && !j.output_failed)
        j.local.finish_output();
}

void carrier::break_connection(joint& j, reason why, int number) {
    session_.reset(j.id, why);
    j.so_far.why = why;
    j.so_far.local = {number, std::system_category()};
    j.pending = {};
    close(j);
    kick();
}

void carrier::after_turn(std::uint32_t id) {
    const auto j = find(id);
    if (!j)
        return;
    // The peer must not go on sending to nobody.
    if (j->output_failed && session_.has_finished(id)) {
        session_.reset(id, reason::broken);
        kick();
    }
    end_if_over(*j);
}

void carrier::end_if_over(joint& j) {
    if ((over_ || !session_.has(j.id)) && j.pending.empty())
        close(j);
}

/// Closes a connection whose channel has ended, unless it has bytes that the peer knows as sent.
void carrier::end_with_channel(const joint_ptr& j) {
    if (session_.has(j->id) && j->so_far.why == reason::none)
        j->so_far.why = outcome_.why == reason::none ? reason::lost : outcome_.why;
    write_pending(j);
    if (!j->finish_received || j->pending.empty())
        close(*j);
}

void carrier::close_all() {
    for (const auto& [id, j] : std::unordered_map{joints_}) {
        if (j->so_far.why == reason::none)
            j->so_far.why = reason::broken;
        close(*j);
    }
}

void carrier::close(joint& j) {
    if (std::exchange(j.over, true))
        return;
    j.local.close(j.so_far.why != reason::none && !j.finish_received);
    const auto ended = std::exchange(j.ended, {});
    const ending how = j.so_far;
    joints_.erase(j.id); // perhaps the last owner of j
    if (ended)
        ended(how);
}

} // namespace connections
