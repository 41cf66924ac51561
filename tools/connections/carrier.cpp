// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/carrier.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace connections {
namespace {

namespace net = boost::asio;
constexpr auto with_error = net::as_tuple(net::use_awaitable);

/// Messages after which other handlers run.
constexpr int share = 64;
/// The time that the peer has to take a BYE.
constexpr std::chrono::seconds farewell{1};
/// Bytes of data that are read from a socket at once.
constexpr std::size_t most_data = 65536;

} // namespace

std::string text_of(const ending& how) {
    return how.local ? how.local.message() : reason_text(how.why);
}

std::string carrier::outcome::text() const {
    return failed ? failed.message() : reason_text(why);
}

carrier::carrier(ivshmem::asio::channel over, session::side which, const limits& own, hooks h)
    : channel_{std::move(over)}, peer_slot_{channel_.next_layer().peer_slot()},
      session_{which, own}, own_{own}, hooks_{std::move(h)}, wake_{channel_.get_executor()},
      done_{channel_.get_executor()}, life_{channel_.get_executor()} {
    scratch_.resize(control_frame);
}

std::size_t carrier::longest_data() const {
    return std::min<std::size_t>(channel_.next_layer().max_whole_message() - frame_head, most_data);
}

net::awaitable<carrier::outcome> carrier::run() {
    const auto self = shared_from_this();
    sending_ = true;
    co_spawn(
        channel_.get_executor(), [self] { return self->send_all(); }, net::detached);
    co_await receive_all();
    co_await say_farewell();
    over_ = true;
    life_.cancel();
    const auto left = std::exchange(joints_, {});
    for (const auto& [id, j] : left) {
        if (j->so_far.why == reason::none)
            j->so_far.why = outcome_.why == reason::none ? reason::lost : outcome_.why;
        write_pending(j);
        close(*j);
    }
    channel_.close();
    co_return outcome_;
}

net::awaitable<void> carrier::receive_all() {
    while (!session_.ended()) {
        const auto [ec, size] = co_await channel_.async_wait(
            net::bind_cancellation_slot(stop_receiving_.slot(), with_error));
        if (ec) {
            if (outcome_.why == reason::none)
                outcome_ = {reason::lost, ec};
            break;
        }
        heard_ = true;
        std::error_code failed;
        for (int n = 0; n < share && !session_.ended(); ++n) {
            const auto message = channel_.next_layer().peek(failed);
            if (failed == ivshmem::errc::message_too_large)
                end(reason::fault); // in parts
            if (!message)
                break;
            handle(*message);
            channel_.next_layer().consume();
        }
        kick();
        co_await net::post(net::use_awaitable);
    }
}

/// Waits until the peer has taken the BYE, and everything before it, but not long.
net::awaitable<void> carrier::say_farewell() {
    net::steady_timer patience{channel_.get_executor()};
    if (outcome_.failed) {
        channel_.cancel();
    } else {
        patience.expires_after(farewell);
        patience.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
            if (!ec)
                self->channel_.cancel();
        });
    }
    kick();
    while (sending_) {
        done_.expires_at(net::steady_timer::time_point::max());
        co_await done_.async_wait(with_error);
    }
    if (!outcome_.failed)
        co_await channel_.async_drain(with_error);
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

void carrier::handle(std::span<const std::byte> message) {
    using kind = session::event::kind;
    const auto e = session_.receive(message);
    const auto j = e.connection != 0 ? find(e.connection) : nullptr;
    switch (e.what) {
    case kind::nothing:
        break;
    case kind::greeted:
        if (hooks_.greeted)
            hooks_.greeted();
        break;
    case kind::opened:
        // Those that ended, but whose last bytes a program does not take, count too.
        if (joints_.size() >= own_.connections)
            session_.reset(e.connection, reason::too_many);
        else
            hooks_.opened(e.connection);
        break;
    case kind::accepted:
        if (j)
            watch_input(j);
        break;
    case kind::data:
        handle_data(e);
        break;
    case kind::finished:
        if (j) {
            j->finish_received = true;
            finish_output(*j);
            end_if_over(*j);
        }
        break;
    case kind::reset:
        if (j) {
            j->so_far.why = e.why;
            end_if_over(*j);
        }
        break;
    case kind::bye:
    case kind::fault:
        outcome_.why = e.why;
        break;
    }
}

void carrier::handle_data(const session::event& e) {
    const auto j = find(e.connection);
    if (!j || j->output_failed)
        return session_.taken(e.connection, e.bytes.size()); // nobody reads it
    j->so_far.received += e.bytes.size();
    ssize_t put = 0;
    if (j->pending.empty()) {
        put = j->local.write(e.bytes);
        if (put < 0 && errno != EAGAIN) {
            session_.taken(e.connection, e.bytes.size());
            return output_is_broken(*j, errno);
        }
        put = std::max<ssize_t>(put, 0);
        session_.taken(e.connection, static_cast<std::size_t>(put));
    }
    const auto rest = e.bytes.subspan(static_cast<std::size_t>(put));
    if (rest.empty())
        return;
    j->pending.insert(j->pending.end(), rest.begin(), rest.end());
    watch_output(j);
}

void carrier::kick() {
    kicked_ = true;
    wake_.cancel();
}

void carrier::end(reason why) {
    if (session_.ended())
        return;
    session_.end(why);
    outcome_.why = why;
    stop_receiving_.emit(net::cancellation_type::total);
    kick();
}

void carrier::open(end_point local, on_end ended) {
    const auto id = session_.open();
    if (!id) {
        local.close(true);
        ended({.why = session_.greeted() && !session_.ended() ? reason::too_many : reason::lost});
        return;
    }
    add(*id, std::move(local), std::move(ended));
    kick();
}

void carrier::join(std::uint32_t connection, end_point local, on_end ended) {
    if (!session_.has(connection) || over_) {
        local.close(true);
        ended({.why = reason::lost});
        return;
    }
    add(connection, std::move(local), std::move(ended));
    session_.accept(connection);
    watch_input(find(connection));
    kick();
}

void carrier::refuse(std::uint32_t connection, reason why) {
    session_.reset(connection, why);
    kick();
}

void carrier::add(std::uint32_t id, end_point local, on_end ended) {
    joints_[id] = std::make_shared<joint>(id, std::move(local), std::move(ended));
    if (!watching_life_) {
        silent_ = 0;
        watch_life();
    }
}

void carrier::watch_life() {
    watching_life_ = true;
    life_.expires_after(ping_period);
    life_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
        const auto self = weak.lock();
        if (!self)
            return;
        self->watching_life_ = false;
        if (ec || self->over_ || self->joints_.empty())
            return;
        self->silent_ = std::exchange(self->heard_, false) ? 0 : self->silent_ + 1;
        if (self->silent_ >= silent_periods) {
            self->outcome_ = {reason::lost, make_error_code(ivshmem::errc::peer_lost)};
            return self->channel_.cancel();
        }
        if (self->silent_ > 0) {
            self->session_.ping();
            self->kick();
        }
        self->watch_life();
    });
}

} // namespace connections
