// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors

// The messages that a player sends and receives.

#include "player.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace test {

using ivshmem::errc;

namespace {

/// More pieces than any message that arrives in one call. A call that takes more may never end.
constexpr unsigned most_pieces = 2000;

} // namespace

void player::send(schedule& what) {
    if (size_ != 0)
        return send_on(what);
    switch (what.below(4)) {
    case 0:
        size_ = 1 + what.below(longest);
        sent_ = 0;
        return send_on(what);
    case 1:
        return send_batch(what);
    default:
        return send_whole(what);
    }
}

void player::send_on(schedule& what) {
    std::error_code ec;
    if (what.below(8) == 0) {
        ivshmem::channel_driver{channel_}.abandon();
        size_ = 0;
        return;
    }
    unsigned pieces = 0;
    const auto fill = [&](std::span<std::byte> into, std::size_t offset) {
        must_hold(++pieces < most_pieces, "sending ends");
        must_hold(offset + into.size() <= size_, "parts are within the message");
        disturb_();
        std::memcpy(into.data(), buffer_.data() + offset, into.size());
        disturb_();
    };
    const bool complete = ivshmem::channel_driver{channel_}.send_some(size_, sent_, fill, ec);
    expect(ec);
    must_hold(sent_ <= size_, "no more is sent than there is");
    if (complete || ec)
        size_ = 0;
}

void player::send_whole(schedule& what) {
    std::error_code ec;
    const std::size_t size = what.below(600);
    if (what.below(2) == 0) {
        channel_.try_send(std::span{buffer_}.first(size), ec);
        return expect(ec);
    }
    const auto room = channel_.reserve(size, ec);
    expect(ec);
    if (room.data() == nullptr)
        return;
    must_hold(room.size() == size && !ec, "the room has the requested size");
    disturb_();
    std::memset(room.data(), 1, room.size());
    channel_.commit(size / 2);
    channel_.flush();
}

void player::send_batch(schedule& what) {
    std::error_code ec;
    const std::size_t size = what.byte();
    const auto message = std::span<const std::byte>{buffer_}.first(size);
    const std::array<std::span<const std::byte>, 4> batch{message, message, {}, message};
    must_hold(channel_.try_send_batch(batch, ec) <= batch.size(), "no more than the batch is sent");
    expect(ec);
}

/// Returns the received parts to the channel, as another way to receive requires.
void player::keep() {
    if (received_ != 0)
        ivshmem::channel_driver{channel_}.keep(
            std::span<const std::byte>{buffer_}.first(received_));
    received_ = 0;
}

void player::receive(schedule& what) {
    if (what.below(2) == 0)
        return receive_on(what.below(2) == 0 ? longest : what.byte());
    keep();
    receive_whole(what);
}

void player::receive_on(std::size_t capacity) {
    std::error_code ec;
    unsigned pieces = 0;
    const auto copy = [&](std::size_t offset, std::span<const std::byte> part) {
        must_hold(++pieces < most_pieces, "receiving ends");
        must_hold(offset + part.size() <= std::max(capacity, received_),
                  "parts are within the buffer");
        disturb_();
        std::memcpy(buffer_.data() + offset, part.data(), part.size());
        disturb_();
    };
    const bool complete =
        ivshmem::channel_driver{channel_}.receive_some(capacity, received_, copy, ec);
    expect(ec);
    if (complete || (ec && ec != errc::buffer_too_small))
        received_ = 0;
    else if (ec)
        keep();
}

void player::receive_whole(schedule& what) {
    std::error_code ec;
    switch (what.below(4)) {
    case 0: {
        const auto size = channel_.try_receive(std::span{buffer_}.first(what.below(longest)), ec);
        must_hold(!size || *size <= longest, "a message fits");
        break;
    }
    case 1: {
        const auto view = channel_.peek(ec);
        disturb_();
        if (view) {
            std::memcpy(buffer_.data(), view->data(), view->size());
            channel_.consume();
        }
        break;
    }
    case 2: {
        const auto size = channel_.next_size(ec);
        must_hold(!size || *size <= 2 * longest, "a message is within the limit");
        break;
    }
    default:
        static_cast<void>(channel_.receive_batch(
            4,
            [&](std::span<const std::byte> view) {
                disturb_();
                std::memcpy(buffer_.data(), view.data(), view.size());
            },
            ec));
    }
    expect(ec);
}

} // namespace test
