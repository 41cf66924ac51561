// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "connections/search.hpp"

#include "connections/with_error.hpp"

#include <ivshmem/asio/connect.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace connections {
namespace {

namespace net = boost::asio;
using clock = std::chrono::steady_clock;
/// The time without an answer after which the next slot is asked too.
constexpr std::chrono::milliseconds answer_time{500};

} // namespace

/// One slot that is asked.
struct search::attempt {
    explicit attempt(std::uint32_t number) : slot{number} {}

    std::uint32_t slot;
    net::cancellation_signal stop{};
    carrier_ptr with{};
    carrier::outcome outcome{};
    bool over = false;
};

struct search::state {
    const ivshmem::asio::slot& from;
    std::string name;
    limits own;
    net::steady_timer changed;
    std::vector<std::shared_ptr<attempt>> attempts{};
    std::shared_ptr<attempt> chosen{};

    /// Waits until something has changed, or until then.
    net::awaitable<void> wait(clock::time_point until) {
        changed.expires_at(until);
        co_await changed.async_wait(with_error);
    }
    [[nodiscard]] bool all_over() const {
        return std::all_of(attempts.begin(), attempts.end(),
                           [](const auto& one) { return one->over; });
    }
};

search::search(const ivshmem::asio::slot& from, std::string name,
               const std::vector<std::uint32_t>& slots, const limits& own)
    : state_{new state{from, std::move(name), own, net::steady_timer{from.get_executor()}}} {
    for (const std::uint32_t slot : slots)
        state_->attempts.push_back(std::make_shared<attempt>(slot));
}

search::~search() = default;

net::awaitable<void> search::ask(std::shared_ptr<state> all, std::shared_ptr<attempt> one) {
    auto [ec, channel] = co_await ivshmem::asio::async_connect(
        all->from, all->name, {.slot = one->slot, .channel = channel_for(all->own)},
        net::bind_cancellation_slot(one->stop.slot(), with_error));
    if (ec) {
        one->outcome = {reason::lost, ec};
    } else {
        carrier::hooks hooks;
        // The carrier has the hooks, and the attempt the carrier.
        hooks.greeted = [in = std::weak_ptr{all}, by = std::weak_ptr{one}] {
            const auto s = in.lock();
            const auto greeting = by.lock();
            if (!s || !greeting)
                return;
            if (s->chosen) // while this one was let go
                return greeting->with->end(reason::stopped);
            s->chosen = greeting;
            s->changed.cancel();
        };
        one->with = std::make_shared<carrier>(std::move(channel), session::side::client, all->own,
                                              std::move(hooks));
        one->outcome = co_await one->with->run();
    }
    one->over = true;
    all->changed.cancel();
}

net::awaitable<void> search::run() {
    const auto s = state_;
    for (const auto& one : s->attempts) {
        co_spawn(s->from.get_executor(), ask(s, one), net::detached);
        const auto next = clock::now() + answer_time;
        while (!s->chosen && !one->over && clock::now() < next)
            co_await s->wait(next);
        if (s->chosen)
            break;
    }
    while (!s->chosen && !s->all_over())
        co_await s->wait(clock::time_point::max());
    let_others_go();
}

void search::let_others_go() const {
    for (const auto& one : state_->attempts) {
        if (one == state_->chosen)
            continue;
        if (one->with)
            one->with->end(reason::stopped);
        else
            one->stop.emit(net::cancellation_type::total);
    }
}

carrier_ptr search::with() const {
    return state_->chosen ? state_->chosen->with : nullptr;
}

net::awaitable<carrier::outcome> search::end() {
    const auto s = state_;
    while (!s->chosen->over)
        co_await s->wait(clock::time_point::max());
    co_return s->chosen->outcome;
}

carrier::outcome search::failure() const {
    return state_->attempts.front()->outcome;
}

} // namespace connections
