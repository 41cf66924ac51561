// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/channel_error.hpp"
#include "channel/slot_impl.hpp"

#include <ivshmem/channel.hpp>
#include <ivshmem/detail/layout.hpp>

#include <cstring>

// Sending and receiving: what a message is refused for, and the ways that are not inline.
namespace ivshmem {

namespace layout = detail::layout;

bool channel::not_ready_to_send(std::size_t size, std::error_code& ec) {
    if (state_ == state::connected)
        look_at_session();
    if (!usable(ec))
        return false;
    why_not(ec);
    if (!ec && (finished_ || deaf_))
        ec = finished_ ? errc::closed : errc::channel_closed;
    if (!ec && (size > producer_.longest_record() || size > peer_limit_))
        ec = errc::message_too_large;
    return !ec && (!abandon_ || send_abandon(ec));
}

void channel::no_room(std::error_code& ec) {
    if (!usable(ec))
        return;
    if (producer_.fault() != violation::none && state_ == state::connected)
        poison(producer_.fault());
    if (state_ == state::connected)
        look_at_session();
    why_not(ec);
    if (!ec && deaf_)
        ec = errc::channel_closed;
}

bool channel::drained(std::error_code& ec) {
    ec.clear();
    if (state_ == state::connected && slot_->usable() && drained())
        return true;
    no_room(ec);
    return false;
}

bool channel::send_abandon(std::error_code& ec) {
    if (!producer_.reserve(0)) {
        no_room(ec);
        return false;
    }
    producer_.stage(0, layout::kind::abandon, 0);
    abandon_ = false;
    flush();
    return true;
}

/// Nothing to receive: why, and what there is to be done about it.
void channel::nothing(std::error_code& ec) {
    if (!usable(ec))
        return;
    if (state_ == state::connected) {
        if (consumer_.fault() != violation::none) {
            poison(consumer_.fault());
        } else {
            settle();
            const bool finished = (theirs_.look(layout::block::flags) & layout::finished) != 0;
            look_at_session();
            // What was published before the flag comes first; and an end is only the end if the
            // ring was not cleared meanwhile, for a new session.
            if (finished && state_ == state::connected) {
                if (!consumer_.empty())
                    return;
                look_at_session();
                if (state_ == state::connected)
                    ec = errc::channel_closed;
            }
        }
    }
    if (!ec)
        why_not(ec);
}

std::optional<std::size_t> channel::next_size(std::error_code& ec) {
    while (front(ec)) {
        if (record_.kind != layout::kind::abandon)
            return record_.total + (kept_ ? kept_->size() : 0);
        pop();
        kept_.reset();
    }
    return std::nullopt;
}

void channel::keep(std::span<const std::byte> part) {
    kept_ = std::make_unique<std::string>(reinterpret_cast<const char*>(part.data()), part.size());
}

bool channel::try_send(std::span<const std::byte> message) {
    std::error_code ec;
    const bool sent = try_send(message, ec);
    if (ec)
        raise(ec, peer_, lane_);
    return sent;
}

std::size_t channel::try_send_batch(std::span<const std::span<const std::byte>> messages,
                                    std::error_code& ec) {
    std::size_t sent = 0;
    for (const auto message : messages) {
        const auto to = reserve(message.size(), ec);
        if (to.data() == nullptr)
            break;
        if (!message.empty())
            std::memcpy(to.data(), message.data(), message.size());
        commit(message.size());
        ++sent;
    }
    if (sent != 0)
        flush();
    return sent;
}

std::optional<std::size_t> channel::try_receive(std::span<std::byte> into) {
    std::error_code ec;
    const auto size = try_receive(into, ec);
    if (ec)
        raise(ec, peer_, lane_);
    return size;
}

} // namespace ivshmem
