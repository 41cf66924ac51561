// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel/channel_impl.hpp"

#include <utility>

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

bool channel::impl::try_send_other(std::span<const std::byte> message, std::error_code& ec) {
    const auto write = [message](const words& mine, std::size_t at) {
        mine.write(at, message);
    };
    if (may_send_whole(message.size()) &&
        producer_.send(static_cast<std::uint32_t>(message.size()), write)) {
        ec.clear();
        return !peer_sleeps_ || wake_for_data();
    }
    if (!stage(message, ec))
        return false;
    flush();
    return true;
}

/// Keeps the parts that have arrived, until the last one is at the front.
/// @return The length of the message then.
std::optional<std::size_t> channel::impl::gather(std::size_t capacity, std::error_code& ec) {
    // Bounds the loop, as in receive_some().
    std::size_t most = 2 * (std::size_t{longest_record()} + 8);
    while (front(ec)) {
        most -= std::min<std::size_t>(most, layout::record_size(record_.length));
        if (record_.kind == layout::kind::abandon) {
            pop();
            drop_kept();
            if (most == 0)
                break;
            continue;
        }
        const std::size_t before = kept_ ? kept_->size() : 0;
        if (record_.total > capacity - std::min(capacity, before)) {
            ec = errc::buffer_too_small;
            break;
        }
        if (record_.kind == layout::kind::last)
            return before + record_.length;
        if (!keep_more(theirs_.bytes(record_.payload, record_.length))) {
            why_not(ec);
            break;
        }
        pop();
    }
    return std::nullopt;
}

std::size_t channel::impl::try_receive_other(std::span<std::byte> into, std::error_code& ec) {
    std::uint32_t size = 0;
    const auto takes = [into](std::uint32_t length) {
        return length <= into.size();
    };
    const auto read = [into, &size](const words& theirs, std::size_t at, std::uint32_t length) {
        theirs.read(at, into.first(length));
        size = length;
    };
    if (may_receive_whole() && consumer_.receive(takes, read)) {
        ec.clear();
        return consumer_.release_due() ? release_after(size) : size;
    }
    const auto length = gather(into.size(), ec);
    if (!length)
        return no_message;
    if (kept_)
        std::memcpy(into.data(), kept_->data(), kept_->size());
    const std::size_t before = *length - record_.length;
    if (record_.length != 0)
        theirs_.read(record_.payload, into.subspan(before, record_.length));
    drop_kept();
    pop();
    return *length;
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
    // A peer publishes what it took before it closes: it may have done both since.
    if (ec != errc::channel_closed || !drained())
        return false;
    ec.clear();
    return true;
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
    if (state_ != channel_state::connected)
        drop_kept(); // the rest will never come
}

std::optional<std::size_t> channel::impl::next_size(std::error_code& ec) {
    while (front(ec)) {
        if (record_.kind != layout::kind::abandon)
            return record_.total + (kept_ ? kept_->size() : 0);
        pop();
        drop_kept();
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
    drop_kept();
    keep_more(part);
}

/// Adds to the parts that are kept. Poisons the channel if the peer has no share of the memory
/// left.
bool channel::impl::keep_more(std::span<const std::byte> part) {
    if (slot_ == nullptr || !slot_->memory_for_parts().take(peer_slot_, part.size())) {
        reject(layout_violation::limit);
        drop_kept();
        return false;
    }
    accounted_ += part.size();
    if (!kept_)
        kept_ = std::make_unique<std::string>();
    kept_->append(reinterpret_cast<const char*>(part.data()), part.size());
    return true;
}

void channel::impl::drop_kept() noexcept {
    kept_.reset();
    if (accounted_ != 0)
        slot_->memory_for_parts().give_back(peer_slot_, std::exchange(accounted_, 0));
}

} // namespace ivshmem
