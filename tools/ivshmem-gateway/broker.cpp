// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "broker.hpp"

#include "base/text.hpp"
#include "connections/with_error.hpp"
#include "reason_code.hpp"
#include "service/log.hpp"

#include <cerrno>
#include <utility>

#include <mqtt_protocol.h>
#include <unistd.h>

namespace ivshmem_gateway {
namespace {

namespace net = boost::asio;
namespace log = service::log;
using boost::system::error_code;
using connections::with_error;
using ivshmem::failure;
using ivshmem::formatted;

/// For CONNACK.
constexpr std::chrono::seconds answer_time{20};
/// For the last packets, after the queue is empty.
constexpr std::chrono::seconds leave_time{4};

} // namespace

broker::broker(const net::any_io_executor& on, const broker_settings& s,
               std::vector<subscription> subscriptions, hooks h)
    : on_{on}, settings_{s}, subscriptions_{std::move(subscriptions)}, hooks_{std::move(h)},
      outbox_{s.queue_messages, s.queue_bytes}, backoff_{s.longest_delay}, local_{on}, over_{on},
      beat_{on}, pause_{on}, flush_{on}, room_{on} {}

net::awaitable<void> broker::run() {
    while (!stopping_ || !flushed_) {
        if (!is_wanted() && flushed_) {
            pause_.expires_at(net::steady_timer::time_point::max());
            co_await pause_.async_wait(with_error); // until join() or stop()
            continue;
        }
        failure f;
        co_await converse(f);
        if (!is_wanted() && flushed_)
            continue;
        if (f) {
            report(f);
            pause_.expires_after(backoff_.next());
            co_await pause_.async_wait(with_error);
        }
    }
    hooks_.ended();
}

/// Runs one connection. Sets no failure if another one should follow at once.
net::awaitable<void> broker::converse(failure& f) {
    now_ = {};
    if (settings_.session.count() == 0)
        used_ = false; // there is no session that could go on
    if (!used_) {
        client_ = std::make_unique<mqtt_client>(settings_, static_cast<mqtt_events&>(*this));
        outbox_.send_again(true);
    }
    link_ = std::make_shared<broker_link>(on_, settings_);
    const auto link = link_; // for as long as this runs
    co_await link->connect(f);
    if (!f && !now_.over)
        begin(f);
    over_at_ = clock::now() + answer_time;
    while (!f && !now_.over) {
        over_.expires_at(over_at_);
        const auto [cancelled] = co_await over_.async_wait(with_error);
        if (!cancelled && clock::now() >= over_at_)
            overdue();
    }
    if (!f && !now_.leaving && !now_.again)
        f.set(std::make_error_code(std::errc::connection_reset),
              settings_.name() + ": " + refusal());
    now_.joined = false;
    ++number_;
    link->close();
    link_.reset();
    error_code ignored;
    local_.close(ignored);
    beat_.cancel();
    outbox_.send_again(false);
    if (const auto thrown = std::exchange(thrown_, nullptr))
        std::rethrow_exception(thrown);
}

void broker::begin(failure& f) {
    auto local = client_->connect(f);
    if (f)
        return;
    local_.assign(::dup(client_->socket()));
    link_->carry(std::move(local), [this, number = number_](const std::string& why) {
        if (number != number_)
            return;
        now_.link_end = why;
        if (now_.leaving)
            end(0);
        // Otherwise libmosquitto reads what has arrived, and then finds the end.
    });
    wait_to_read();
    wait_to_beat();
    after(0);
}

/// The time of the conversation is over: for CONNACK, or the end.
void broker::overdue() {
    over_at_ = clock::time_point::max();
    if (now_.leaving)
        return end(0);
    if (now_.answered)
        return;
    now_.link_end = formatted("no answer in {} s", answer_time.count());
    end(0);
}

void broker::wait_to_read() {
    local_.async_wait(net::posix::stream_descriptor::wait_read,
                      [this, number = number_](const error_code& ec) {
                          if (ec || number != number_ || now_.over)
                              return;
                          after(client_->read());
                          if (!now_.over && local_.is_open())
                              wait_to_read();
                      });
}

void broker::wait_to_write() {
    if (std::exchange(now_.writing, true))
        return;
    local_.async_wait(net::posix::stream_descriptor::wait_write,
                      [this, number = number_](const error_code& ec) {
                          if (ec || number != number_ || now_.over)
                              return;
                          now_.writing = false;
                          after(client_->write());
                      });
}

void broker::wait_to_beat() {
    beat_.expires_after(std::chrono::milliseconds{settings_.keep_alive} / 4);
    beat_.async_wait([this, number = number_](const error_code& ec) {
        if (ec || number != number_ || now_.over || now_.leaving)
            return;
        after(client_->keep_alive());
        if (!now_.over)
            wait_to_beat();
    });
}

/// Goes on after a call of the client, whose events only took note.
void broker::after(int failed) {
    if (thrown_)
        return end(0);
    if (now_.leaving) {
        error_code ignored;
        if (client_->socket() < 0)
            local_.close(ignored); // so that the link finds the end
        else if (client_->wants_write())
            wait_to_write();
        return;
    }
    if (failed != 0 || client_->socket() < 0)
        return end(failed);
    if (now_.answered && !now_.joined) {
        join_session();
        if (now_.over)
            return;
    }
    pump();
    end_if_flushed();
    if (!now_.over && client_->socket() >= 0 && client_->wants_write())
        wait_to_write();
}

/// The broker has accepted the connection.
void broker::join_session() {
    if (used_ && !now_.answer.session_present) {
        // What the client remembers is of a session that the broker has not.
        used_ = false;
        now_.again = true;
        return end(0);
    }
    used_ = true;
    now_.joined = true;
    backoff_.reset();
    reported_.clear();
    log::info("{}: connected as {}{}", settings_.name(), settings_.client_id,
              now_.answer.session_present ? ", to the session that it kept" : "");
    subscribe();
}

void broker::end(int failed) {
    if (std::exchange(now_.over, true))
        return;
    if (now_.link_end.empty() && failed != 0)
        now_.link_end = failed == MOSQ_ERR_ERRNO ? ivshmem::errno_code(errno).message()
                                                 : ::mosquitto_strerror(failed);
    over_.cancel();
}

void broker::join() {
    wanted_ = true;
    flushed_ = false;
    all_retained_ = true;
    flush_.cancel();
    pause_.cancel();
    if (now_.joined && !now_.leaving) {
        subscribe();
        after(0);
    }
}

void broker::leave() {
    wanted_ = false;
    flushed_ = false;
    flush_.expires_after(settings_.flush_time);
    flush_.async_wait([this](const error_code& ec) {
        if (ec)
            return;
        flushed_ = true;
        end_if_flushed();
    });
    end_if_flushed();
}

void broker::stop() {
    stopping_ = true;
    leave();
}

/// Disconnects if that is wanted, and nothing waits any more.
void broker::end_if_flushed() {
    const bool leaves = now_.leaving && !now_.over; // the conversation may be an earlier one
    if (is_wanted() || leaves || (!flushed_ && outbox_.count() != 0))
        return;
    flushed_ = true;
    flush_.cancel();
    pause_.cancel();
    if (now_.joined && !now_.over) {
        now_.leaving = true;
        over_at_ = clock::now() + leave_time;
        over_.cancel();
        client_->disconnect();
        return after(0);
    }
    if (link_) {
        const bool resolving = link_->is_resolving();
        link_->close();
        end(0);
        if (stopping_ && resolving)
            hooks_.ended(); // run() does not return before the resolver
    }
}

void broker::subscribe() {
    for (const auto& each : subscriptions_) {
        int options = MQTT_SUB_OPT_NO_LOCAL;
        if (!each.retained)
            options |= MQTT_SUB_OPT_SEND_RETAIN_NEVER;
        else if (!all_retained_) // they were taken when the subscription was new
            options |= MQTT_SUB_OPT_SEND_RETAIN_NEW;
        int id = 0;
        const int failed = client_->subscribe(each.filter, each.qos, options, id);
        if (failed != 0)
            return end(failed);
        now_.subscribing[id] = each.filter;
    }
    all_retained_ = false;
}

void broker::on_connack(const connack& answer) {
    now_.answer = answer;
    now_.answered = answer.reason == 0;
}

void broker::on_disconnect(int reason) {
    if (reason >= first_error_code)
        now_.closing_reason = reason;
}

void broker::on_subscribed(int id, int reason) {
    const auto at = now_.subscribing.find(id);
    if (at == now_.subscribing.end())
        return;
    if (reason >= first_error_code)
        log::error("{}: it refuses the subscription to {}: {}; check what it lets this user read",
                   settings_.name(), at->second, words_for_reason(reason));
    now_.subscribing.erase(at);
}

void broker::on_message(std::string_view topic, std::span<const std::byte> payload) {
    if (thrown_)
        return;
    try {
        hooks_.message(topic, payload);
    } catch (...) {
        thrown_ = std::current_exception(); // not through the library, which is in C
    }
}

void broker::report(const failure& f) {
    if (std::exchange(reported_, f.message()) != f.message())
        log::error("{}; trying again", f.message());
    else
        log::detail("{}; trying again", f.message());
}

std::string broker::refusal() const {
    if (const int code = now_.answer.reason; code != 0) {
        const auto& text = now_.answer.reason_text;
        return formatted("it refuses the connection: {}{}{}; {}", words_for_reason(code),
                         text.empty() ? "" : ": ", text, advice_for_reason(code));
    }
    if (now_.closing_reason != 0)
        return formatted("it ended the connection: {}; {}", words_for_reason(now_.closing_reason),
                         advice_for_reason(now_.closing_reason));
    std::string why = now_.link_end.empty() ? "the connection was lost" : now_.link_end;
    if (now_.answered || why.find("; ") != std::string::npos) // with its own advice
        return why;
    why += ", before it accepted the connection (CONNACK); check that an MQTT broker is at this "
           "port, and ";
    if (settings_.tls)
        return why + "that it accepts this certificate (cert and key)";
    return why + "whether it expects TLS";
}

} // namespace ivshmem_gateway
