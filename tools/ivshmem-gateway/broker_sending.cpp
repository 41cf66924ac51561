// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "base/text.hpp"
#include "broker.hpp"
#include "connections/with_error.hpp"
#include "reason_code.hpp"
#include "service/log.hpp"

#include <algorithm>
#include <utility>

#include <mqtt_protocol.h>

namespace ivshmem_gateway {

using ivshmem::formatted;

void broker::publish(outgoing message) {
    if (message.qos == 0 && !has_room())
        return settle(message, fate::no_room,
                      "the queue for the broker is full (queue-messages, queue-bytes)");
    outbox_.add(std::move(message));
    if (now_.joined && !now_.over)
        after(0);
}

boost::asio::awaitable<void> broker::wait_for_room() {
    while (!has_room()) {
        room_.expires_at(boost::asio::steady_timer::time_point::max());
        co_await room_.async_wait(connections::with_error);
    }
}

/// Gives messages to libmosquitto, no more than the broker takes at once.
void broker::pump() {
    const auto window = std::min<std::size_t>(send_window, now_.answer.receive_maximum);
    while (now_.joined && !now_.leaving && !now_.over && client_->socket() >= 0 &&
           outbox_.has_next() && outbox_.on_their_way() < window)
        send_next();
}

void broker::send_next() {
    const outgoing& message = outbox_.next();
    const bool retain = message.retain && now_.answer.retain_available;
    int qos = std::min(message.qos, now_.answer.maximum_qos);
    int id = 0;
    int failed = 0;
    now_.publishing = true;
    now_.early = -1;
    // The library remembers the lowest maximum of all connections.
    while ((failed = client_->publish(message, qos, retain, id)) == MOSQ_ERR_QOS_NOT_SUPPORTED &&
           qos > 0)
        --qos;
    now_.publishing = false;
    report_less(message, qos, retain);
    switch (failed) {
    case MOSQ_ERR_OVERSIZE_PACKET:
        return settle(outbox_.drop_next(), fate::too_large,
                      formatted("it is over the broker's Maximum Packet Size of {} bytes",
                                now_.answer.maximum_packet));
    case MOSQ_ERR_NOMEM:
    case MOSQ_ERR_INVAL:
    case MOSQ_ERR_MALFORMED_UTF8:
    case MOSQ_ERR_PAYLOAD_SIZE:
    case MOSQ_ERR_NOT_SUPPORTED:
    case MOSQ_ERR_QOS_NOT_SUPPORTED:
        return settle(outbox_.drop_next(), fate::refused, ::mosquitto_strerror(failed));
    default: // the library has it, and reading finds that the connection is lost
        break;
    }
    if (now_.early == id)
        return settle(outbox_.drop_next(), fate::delivered, {});
    if (const auto lost = outbox_.send_next(id))
        settle(*lost, fate::refused, "the broker has not acknowledged it, but 65535 later ones");
}

/// Logs, once a connection, that the broker offers less than a rule wants.
void broker::report_less(const outgoing& wanted, int qos, bool retain) {
    if (qos < wanted.qos && !std::exchange(now_.less_qos, true))
        service::log::error("{}: its Maximum QoS is {}; messages of rules with a higher qos are "
                            "sent with that, and may be lost with the connection or come twice",
                            settings_.name(), qos);
    if (wanted.retain && !retain && !std::exchange(now_.no_retain, true))
        service::log::error("{}: it retains no messages (Retain Available is 0), which rules with "
                            "retain ask for; who subscribes later does not get the last one",
                            settings_.name());
}

void broker::on_published(int id, int reason) {
    auto message = outbox_.take(id);
    if (!message) {
        if (now_.publishing)
            now_.early = id;
        return;
    }
    if (reason == MQTT_RC_PACKET_ID_IN_USE) // of a session before this program
        return outbox_.add(std::move(*message));
    if (reason >= first_error_code)
        return settle(*message, fate::refused, words_for_reason(reason));
    settle(*message, fate::delivered, {});
}

void broker::settle(const outgoing& message, fate what, const std::string& why) {
    room_.cancel();
    if (thrown_)
        return;
    try {
        hooks_.done(message, what, why);
    } catch (...) {
        thrown_ = std::current_exception(); // not through the library, which is in C
    }
}

} // namespace ivshmem_gateway
