// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/channel_impl.hpp"

// Sending and receiving: the reasons for refusing a message, and the rare steps of messages.
namespace ivshmem {

bool channel::impl::send_parts(std::size_t size, std::size_t& done, fill_function* fill,
                               void* context, std::error_code& ec) {
    const std::size_t most = producer_.longest_record();
    if (done != 0 && !in_parts_) { // the parts were of a session that is over
        ec = errc::channel_reset;
        return false;
    }
    for (;;) {
        const bool whole = done == 0 && size <= most;
        // Parts are small enough for the peer to receive one while the next is being sent.
        const std::size_t part = whole ? size : std::min(size - done, (most + 8) / 4 - 8);
        if (!ready_to_send(part, ec))
            return false;
        if (size > peer_limit_) {
            ec = errc::message_too_large;
            return false;
        }
        if (!producer_.reserve(static_cast<std::uint32_t>(part))) {
            no_room(ec);
            return false;
        }
        fill(context, mine_.bytes(producer_.payload(), part), done);
        const bool last = part == size - done;
        producer_.stage(static_cast<std::uint32_t>(part),
                        last ? layout::kind::last : layout::kind::part,
                        static_cast<std::uint32_t>(size - done));
        done += part;
        in_parts_ = !last;
        flush();
        if (last)
            return true;
    }
}

std::optional<std::size_t> channel::impl::try_receive(std::span<std::byte> into,
                                                      std::error_code& ec) {
    std::size_t done = 0;
    const auto copy = [&](std::size_t offset, std::span<const std::byte> part) {
        if (!part.empty())
            std::memcpy(into.data() + offset, part.data(), part.size());
    };
    if (receive_some(into.size(), done, copy, ec))
        return done;
    if (done != 0)
        keep(into.first(done));
    return std::nullopt;
}

bool channel::impl::not_ready_to_send(std::size_t size, std::error_code& ec) {
    if (state_ == channel_state::connected)
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

void channel::impl::no_room(std::error_code& ec) {
    if (!usable(ec))
        return;
    if (producer_.fault() != layout_violation::none && state_ == channel_state::connected)
        poison(producer_.fault());
    if (state_ == channel_state::connected)
        look_at_session();
    why_not(ec);
    if (!ec && deaf_)
        ec = errc::channel_closed;
}

bool channel::impl::drained(std::error_code& ec) {
    ec.clear();
    if (state_ == channel_state::connected && slot_->usable() && drained())
        return true;
    no_room(ec);
    return false;
}

bool channel::impl::send_abandon(std::error_code& ec) {
    if (!producer_.reserve(0)) {
        no_room(ec);
        return false;
    }
    producer_.stage(0, layout::kind::abandon, 0);
    abandon_ = false;
    flush();
    return true;
}

/// Finds out why there is no message to receive, and acts on it.
void channel::impl::nothing(std::error_code& ec) {
    if (!usable(ec))
        return;
    if (state_ == channel_state::connected) {
        if (consumer_.fault() != layout_violation::none) {
            poison(consumer_.fault());
        } else {
            settle();
            const bool finished = (theirs_.look(layout::block::flags) & layout::finished) != 0;
            look_at_session();
            // Messages published before the flag come first. The end only counts if the ring was
            // not cleared for a new session in the meantime.
            if (finished && state_ == channel_state::connected) {
                if (!consumer_.empty())
                    return;
                look_at_session();
                if (state_ == channel_state::connected)
                    ec = errc::channel_closed;
            }
        }
    }
    if (!ec)
        why_not(ec);
}

std::optional<std::size_t> channel::impl::next_size(std::error_code& ec) {
    while (front(ec)) {
        if (record_.kind != layout::kind::abandon)
            return record_.total + (kept_ ? kept_->size() : 0);
        pop();
        kept_.reset();
    }
    return std::nullopt;
}

/// Takes what there is of a message whose beginning is lost.
/// @return Whether that was all of it.
bool channel::impl::skip_rest() {
    while (skipping_ && consumer_.front(record_)) {
        skipping_ = record_.kind == layout::kind::part;
        pop();
    }
    return !skipping_;
}

void channel::impl::keep(std::span<const std::byte> part) {
    kept_ = std::make_unique<std::string>(reinterpret_cast<const char*>(part.data()), part.size());
}

} // namespace ivshmem
