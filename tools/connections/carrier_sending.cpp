// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/carrier.hpp"
#include "connections/with_error.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

// The part of a carrier that sends.

namespace connections {
namespace {

namespace net = boost::asio;

/// Bytes of data that are read from a socket at once.
constexpr std::size_t most_data = 65536;

} // namespace

std::size_t carrier::longest_data() const {
    return std::min<std::size_t>(channel_.next_layer().max_whole_message() - frame_head, most_data);
}

net::awaitable<void> carrier::send_all() {
    const auto self = shared_from_this();
    bool good = true;
    for (int n = 0; good; ++n) {
        const auto t = session_.next(scratch_);
        if (t.what == session::turn::kind::none) {
            if (session_.ended() || over_)
                break;
            if (!std::exchange(kicked_, false)) {
                wake_.expires_at(net::steady_timer::time_point::max());
                co_await wake_.async_wait(with_error);
                kicked_ = false;
            }
            if (outcome_.failed)
                break;
            continue;
        }
        if (t.what == session::turn::kind::frame)
            good = co_await send_frame(t.size);
        else
            good = co_await send_data(t);
        if (t.connection != 0)
            after_turn(t.connection);
        if (n % share == share - 1)
            co_await net::post(net::use_awaitable);
    }
    sending_ = false;
    done_.cancel();
}

net::awaitable<bool> carrier::send_frame(std::size_t size) {
    const std::span<const std::byte> bytes{scratch_.data(), size};
    std::error_code ec;
    if (channel_.next_layer().try_send(bytes, ec))
        co_return true;
    if (ec && ec != ivshmem::errc::not_connected)
        co_return false; // run() gets the error too
    const auto [failed, sent] =
        co_await channel_.async_send(net::buffer(scratch_.data(), size), with_error);
    co_return !failed;
}

net::awaitable<bool> carrier::send_data(const session::turn& t) {
    const auto j = find(t.connection);
    const std::size_t most = std::min(t.size, longest_data());
    std::error_code ec;
    // Into the ring itself, if there is room now.
    const auto room = channel_.next_layer().reserve(frame_head + most, ec);
    if (ec)
        co_return false;
    const bool direct = room.data() != nullptr;
    if (!direct && scratch_.size() < frame_head + most)
        scratch_.resize(frame_head + most);
    const std::span<std::byte> into = direct ? room : std::span{scratch_};
    const ssize_t got = j ? read_input(*j, into.subspan(frame_head, most)) : 0;
    const auto size = static_cast<std::size_t>(std::max<ssize_t>(got, 0));
    session_.put_data(t.connection, size, into);
    if (j && size == most)
        session_.set_ready(t.connection);
    else if (j)
        watch_input(j);
    if (size == 0)
        co_return true;
    j->so_far.sent += size;
    if (!direct)
        co_return co_await send_frame(frame_head + size);
    channel_.next_layer().commit(frame_head + size);
    channel_.next_layer().flush();
    co_return true;
}

} // namespace connections
