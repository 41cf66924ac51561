// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/carrier.hpp"

#include "connections/with_error.hpp"

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
/// The time that the peer has to take a BYE.
constexpr std::chrono::seconds farewell{1};

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

net::awaitable<carrier::outcome> carrier::run() {
    const auto self = shared_from_this();
    sending_ = true;
    co_spawn(
        channel_.get_executor(), [self] { return self->send_all(); }, net::detached);
    co_await receive_all();
    co_await say_farewell();
    over_ = true;
    life_.cancel();
    for (const auto& [id, j] : std::unordered_map{joints_})
        end_with_channel(j);
    channel_.close();
    scratch_ = {};
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
    if (over_)
        return close_all();
    if (session_.ended())
        return;
    session_.end(why);
    outcome_.why = why;
    stop_receiving_.emit(net::cancellation_type::total);
    kick();
}

void carrier::open(end_point local, on_end ended) {
    const auto id = over_ ? std::nullopt : session_.open();
    if (!id) {
        local.close(true);
        ended({.why = session_.greeted() && !session_.ended() && !over_ ? reason::too_many
                                                                        : reason::lost});
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
