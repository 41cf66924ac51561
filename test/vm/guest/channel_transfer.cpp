// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "channel_messages.hpp"
#include "channel_peer.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>

namespace channel_peer {

namespace asio = boost::asio;
using ivshmem::errc;
using ivshmem::asio::channel_event;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
using task = asio::awaitable<void>;

/// One side of a channel, and its counters.
struct talk {
    talk(place& in, const words& args)
        : at{in}, channel{in.open(args)}, whole{channel.next_layer().max_whole_message()},
          me{in.slot.next_layer().incarnation()} {}

    [[nodiscard]] std::uint32_t peer() const { return channel.next_layer().peer_incarnation(); }
    /// Returns the head of a message from this side, or from the peer.
    [[nodiscard]] message_head mine(std::uint32_t i) const { return {i, me, peer()}; }
    [[nodiscard]] message_head theirs(std::uint32_t i) const { return {i, peer(), me}; }

    place& at;
    ivshmem::asio::channel channel;
    const std::size_t whole;
    const std::uint32_t me;
    unsigned messages = 0; ///< of all sessions
};

const char* name_of(channel_event::kind type) {
    switch (type) {
    case channel_event::kind::connected:
        return "connected";
    case channel_event::kind::closed:
        return "closed";
    case channel_event::kind::reset:
        return "reset";
    case channel_event::kind::poisoned:
        return "poisoned";
    case channel_event::kind::rejected:
        return "rejected";
    case channel_event::kind::peer_lost:
        return "peer_lost";
    }
    return "?";
}

asio::awaitable<channel_event::kind> next_event(talk& t) {
    const channel_event event = co_await t.channel.async_next_event(asio::use_awaitable);
    say("event: %s %u after %u", name_of(event.type), event.incarnation, t.messages);
    co_return event.type;
}

/// Returns whether the error ends only the channel.
bool ended_by_peer(const boost::system::error_code& ec) {
    return ec == errc::channel_reset || ec == errc::channel_closed ||
           ec == errc::channel_poisoned || ec == errc::channel_rejected || ec == errc::peer_lost;
}

void count(talk& t) {
    ++t.messages;
    if (t.messages % (t.messages < 500 ? 50 : 5000) == 0)
        say("progress: %u", t.messages);
}

/// One session, from connected to the error that ends it.
asio::awaitable<boost::system::error_code> answer(talk& t, bool back) {
    std::vector<std::byte> bytes(largest_message(t.whole));
    for (std::uint32_t i = 0;; ++i) {
        const auto [ec, size] = co_await t.channel.async_receive(asio::buffer(bytes), as_result);
        if (ec)
            co_return ec;
        if (t.at.how.checked)
            check_message({bytes.data(), size}, t.theirs(i), t.whole);
        count(t);
        if (!back)
            continue;
        const auto [failed, sent] =
            co_await t.channel.async_send(asio::buffer(bytes, size), as_result);
        if (failed)
            co_return failed;
    }
}

task answer_for_ever(talk& t, bool back) {
    for (;;) {
        if (co_await next_event(t) == channel_event::kind::connected) {
            const auto why = co_await answer(t, back);
            if (!ended_by_peer(why))
                throw boost::system::system_error{why};
            co_await next_event(t);
        }
        t.channel.reopen();
    }
}

task send_all(talk& t, const words& args) {
    const std::uint32_t most = number(args, 1, 0);
    const std::chrono::seconds limit{number(args, 2, most == 0 ? 1 : 3600)};
    const auto until = std::chrono::steady_clock::now() + limit;
    std::vector<std::byte> bytes;
    message_head head = t.mine(0);
    for (; head.last == 0; ++head.number) {
        head.last = static_cast<std::uint32_t>(head.number + 1 == most ||
                                               std::chrono::steady_clock::now() >= until);
        make_message(head, t.whole, bytes);
        co_await t.channel.async_send(asio::buffer(bytes), asio::use_awaitable);
    }
    co_await t.channel.async_drain(asio::use_awaitable);
    say("sent: %u", head.number);
}

task receive_all(talk& t) {
    std::vector<std::byte> bytes(largest_message(t.whole));
    for (std::uint32_t i = 0;; ++i) {
        const std::size_t size =
            co_await t.channel.async_receive(asio::buffer(bytes), asio::use_awaitable);
        count(t);
        if (t.at.how.checked && check_message({bytes.data(), size}, t.mine(i), t.whole))
            break;
    }
}

/// Runs a coroutine until it has ended, or SIGTERM arrives.
void run(talk& t, task what) {
    std::exception_ptr failed;
    asio::co_spawn(t.at.io, std::move(what), [&](const std::exception_ptr& why) {
        failed = why;
        t.at.stop();
    });
    const auto began = std::chrono::steady_clock::now();
    t.at.run();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    say("messages: %u in %.2f s, %llu rings", t.messages, took.count(),
        static_cast<unsigned long long>(ivshmem::channel_driver{t.channel.next_layer()}.rings()));
    if (failed)
        std::rethrow_exception(failed);
}

task echo_all(talk& t, const words& args) {
    using namespace asio::experimental::awaitable_operators;
    co_await next_event(t); // the heads of the messages name the peer, so it must be known
    try {
        co_await (send_all(t, args) && receive_all(t));
    } catch (const asio::multiple_exceptions& failed) {
        std::rethrow_exception(failed.first_exception());
    }
}

task send_only(talk& t, const words& args) {
    co_await next_event(t);
    co_await send_all(t, args);
}

} // namespace

void serve(place& at, const words& args) {
    talk t{at, args};
    run(t, answer_for_ever(t, true));
}

void take(place& at, const words& args) {
    talk t{at, args};
    run(t, answer_for_ever(t, false));
}

void echo(place& at, const words& args) {
    talk t{at, args};
    run(t, echo_all(t, args));
}

void send(place& at, const words& args) {
    talk t{at, args};
    run(t, send_only(t, args));
}

} // namespace channel_peer
