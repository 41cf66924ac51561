// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "backends/shared_backend.hpp"

#include "base/deadline.hpp"
#include "base/wait_fds.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

// The use of a shared device; shared_join.cpp opens it.

namespace ivshmem {

using share_protocol::arrival;
using share_protocol::packet_kind;

namespace {

/// The packets that are read at once, so that a service that never stops cannot block a caller.
constexpr int most_packets_at_once = 1024;
/// The events that wait for a caller; a program that never asks for them drops the oldest.
constexpr std::size_t most_waiting_events = 256;

int until_in_ms(std::chrono::steady_clock::time_point until) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

} // namespace

void shared_backend::send(const share_protocol::packet& p, failure& f) {
    const auto until = deadline_after(timeout_);
    while (!end_ && !share_protocol::send(socket_.get(), p)) {
        if (errno == EPIPE || errno == ECONNRESET) {
            end(arrival::closed);
        } else if (errno != EAGAIN) {
            return f.set_errno(errno, "{}: cannot send to ivshmem-share", path_);
        } else {
            const int left = until_in_ms(until);
            pollfd room{socket_.get(), POLLOUT, 0};
            if (left == 0)
                return f.set(errc::timed_out, "{}: ivshmem-share does not read; is it stopped?",
                             path_);
            retry_eintr([&] { return ::poll(&room, 1, left); });
        }
    }
    if (end_)
        f = end_;
}

bool shared_backend::receive_one(share_protocol::received& into, clock::time_point until,
                                 failure& f) {
    while (!end_) {
        const arrival how = share_protocol::receive(socket_.get(), into);
        if (how == arrival::packet)
            return true;
        if (how != arrival::none) {
            end(how);
            break;
        }
        const int left = until_in_ms(until);
        if (left == 0) {
            f.set(errc::timed_out, "{}: ivshmem-share did not answer within {} ms; is it stopped?",
                  path_, timeout_.count());
            return false;
        }
        pollfd ready{socket_.get(), POLLIN, 0};
        retry_eintr([&] { return ::poll(&ready, 1, left); });
    }
    f = end_;
    return false;
}

void shared_backend::end(arrival how) {
    if (how == arrival::closed)
        end_.set(errc::server_closed,
                 "{}: ivshmem-share closed the connection, so no more interrupts arrive: see its "
                 "log (journalctl -u 'ivshmem-share@*'), and open the device again",
                 path_);
    else if (how == arrival::malformed)
        end_.set(errc::server_protocol,
                 "{}: no packet of ivshmem-share arrived, or a descriptor was lost: is the limit "
                 "of descriptors reached (ulimit -n), or is it another version?",
                 path_);
    else
        end_.set_errno(errno, "{}: cannot receive from ivshmem-share", path_);
    socket_.reset(); // an epoll descriptor drops closed descriptors
    queue_.push_back({event::kind::server_gone, 0});
    if (over_)
        signal_eventfd(over_.get());
    update_pending();
}

void shared_backend::read_socket() {
    share_protocol::received next;
    for (int i = 0; i < most_packets_at_once && !end_; ++i) {
        const arrival how = share_protocol::receive(socket_.get(), next);
        if (how == arrival::none)
            break;
        if (how == arrival::packet)
            handle(next.content);
        else
            end(how);
    }
    update_pending();
}

void shared_backend::handle(const share_protocol::packet& p) {
    if (p.what != packet_kind::event) // an answer that came too late
        return;
    const auto what = static_cast<event::kind>(p.value);
    if (what != event::kind::removal_requested && what != event::kind::device_error)
        return; // of a newer service
    if (what == event::kind::removal_requested && !std::exchange(removed_, true) && over_)
        signal_eventfd(over_.get());
    if (queue_.size() == most_waiting_events)
        queue_.pop_front();
    queue_.push_back({what, static_cast<std::uint16_t>(p.other)});
}

void shared_backend::update_pending() {
    if (!pending_)
        return;
    if (!queue_.empty() || end_)
        signal_eventfd(pending_.get());
    else
        take_eventfd(pending_.get());
}

void shared_backend::ring(std::uint16_t peer, std::uint16_t vector, failure& f) {
    const std::uint32_t value = std::uint32_t{peer} << 16U | std::uint32_t{vector};
    if (registers_.is_set()) {
        registers_.write(registers::doorbell, value);
        return;
    }
    const std::lock_guard lock{mutex_};
    send({.what = packet_kind::ring, .value = value}, f);
}

int shared_backend::rings_fd(std::uint32_t vector) const {
    return vectors_[vector].get();
}

void shared_backend::watch(std::uint32_t vector, failure& f) {
    if (watched_[vector].load(std::memory_order_acquire))
        return;
    const std::lock_guard lock{mutex_};
    if (watched_[vector])
        return;
    send({.what = packet_kind::watch, .value = vector}, f);
    watched_[vector] = !f;
}

std::uint64_t shared_backend::take(std::uint32_t vector, failure& f) {
    watch(vector, f);
    const std::uint64_t count = take_eventfd(vectors_[vector].get());
    if (count == 0 && !f)
        check(f);
    return count;
}

void shared_backend::check(failure& f) {
    const std::lock_guard lock{mutex_};
    if (!end_)
        read_socket();
    if (removed_)
        f.set(errc::device_removed, "{}: the device is being removed: close it", facts_.name);
    else if (end_)
        f = end_;
}

std::optional<event> shared_backend::next_event(failure& f) {
    const std::lock_guard lock{mutex_};
    if (queue_.empty() && !end_)
        read_socket();
    if (queue_.empty()) {
        f = end_;
        return std::nullopt;
    }
    const event first = queue_.front();
    queue_.pop_front();
    update_pending();
    return first;
}

std::optional<share_protocol::packet> shared_backend::ask(const share_protocol::packet& request,
                                                          packet_kind answer, failure& f) {
    send(request, f);
    const auto until = deadline_after(timeout_);
    share_protocol::received next;
    while (!f && receive_one(next, until, f)) {
        if (next.content.what == answer && next.content.value == request.value)
            return next.content;
        handle(next.content);
        update_pending();
    }
    return std::nullopt;
}

void shared_backend::reserve_slot(std::uint32_t slot, failure& f) {
    const std::lock_guard lock{mutex_};
    const auto answer = ask({.what = packet_kind::take_slot, .value = slot}, packet_kind::slot, f);
    if (answer && answer->other == 0)
        f.set(errc::slot_in_use, "{}: slot {} is held by another program of this machine: {}",
              facts_.name, slot, share_protocol::get_text(answer->text));
}

void shared_backend::release_slot(std::uint32_t slot) noexcept {
    const std::lock_guard lock{mutex_};
    // Waits for the answer: another program may claim it as soon as this one says so. On failure
    // the slot is released with the connection.
    failure in_vain;
    if (!end_)
        static_cast<void>(
            ask({.what = packet_kind::give_slot, .value = slot}, packet_kind::given, in_vain));
}

std::vector<device_user> shared_backend::users(failure& f) {
    const std::lock_guard lock{mutex_};
    std::vector<device_user> all;
    send({.what = packet_kind::list}, f);
    const auto until = deadline_after(timeout_);
    share_protocol::received next;
    while (!f && receive_one(next, until, f)) {
        const share_protocol::packet& p = next.content;
        if (p.what == packet_kind::end)
            break;
        if (p.what == packet_kind::program)
            all.push_back({p.value, p.other, share_protocol::get_text(p.text)});
        else
            handle(p);
    }
    update_pending();
    return all;
}

} // namespace ivshmem
