// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/error_conversion.hpp>
#include <ivshmem/error.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

namespace ivshmem::asio::detail {

/// The composed operation behind all that a channel, or an acceptor, does: try, wait for the peer,
/// try again.
///
/// State has: hub; failed; epoch, which grows with each cancellation; spin_pays; sleeping(), which
/// asks to be woken and tells whether to wait for that; and done(), after each operation.
/// Attempt has: value_type; gate_of(state), the gate that it waits at; attempt(state, ec), which
/// tells whether it is complete; value(), unless value_type is void; and give_up(state), which
/// takes back what was half done.
template <typename State, typename Attempt>
class channel_operation {
  public:
    using value_type = typename Attempt::value_type;

    channel_operation(std::shared_ptr<State> state, Attempt attempt)
        : state_{std::move(state)}, attempt_{std::move(attempt)} {}

    template <typename Self>
    void operator()(Self& self, const boost::system::error_code& = {}) {
        switch (std::exchange(stage_, stage::going_on)) {
        case stage::initial:
            self.reset_cancellation_state(boost::asio::enable_total_cancellation());
            epoch_ = state_->epoch;
            ticket_ = Attempt::gate_of(*state_).enter();
            // A handler is never called from within the initiating function.
            if (finished())
                return later(self, stage::complete);
            return wait(self);
        case stage::complete:
            return complete(self);
        case stage::going_on:
            if (finished())
                return complete(self);
            if (self.cancelled() != boost::asio::cancellation_type::none) {
                finish(boost::asio::error::operation_aborted);
                return complete(self);
            }
            return wait(self);
        }
    }

  private:
    using clock = std::chrono::steady_clock;
    enum class stage { initial, going_on, complete };

    /// Tries, and tells whether that was all.
    bool finished() {
        if (state_->epoch != epoch_)
            return finish(boost::asio::error::operation_aborted);
        if (Attempt::gate_of(*state_).is_over(ticket_))
            return finish(to_boost(errc::channel_reset));
        if (!Attempt::gate_of(*state_).is_first(ticket_))
            return false;
        std::error_code ec;
        const bool complete = attempt_.attempt(*state_, ec);
        if (complete || (ec && ec != errc::not_connected))
            return finish(to_boost(ec));
        if (state_->failed)
            return finish(state_->failed);
        return false;
    }
    bool finish(const boost::system::error_code& result) {
        result_ = result;
        auto& gate = Attempt::gate_of(*state_);
        const bool over = gate.is_over(ticket_); // of an old session is nothing to take back
        gate.leave(ticket_);
        if (result && !over)
            attempt_.give_up(*state_);
        if (waiting_since_ != clock::time_point{})
            state_->spin_pays = clock::now() - waiting_since_ < 2 * state_->hub->waiting.spin;
        state_->done();
        return true;
    }

    template <typename Self>
    void complete(Self& self) {
        if constexpr (std::is_void_v<value_type>)
            self.complete(result_);
        else
            self.complete(result_, attempt_.value());
    }
    template <typename Self>
    void wait(Self& self) {
        if (waiting_since_ == clock::time_point{})
            waiting_since_ = clock::now();
        if (state_->spin_pays && clock::now() - waiting_since_ < state_->hub->waiting.spin)
            return later(self, stage::going_on);
        if (!state_->sleeping()) // something happened meanwhile
            return later(self, stage::going_on);
        state_->hub->expect();
        Attempt::gate_of(*state_).async_wait(std::move(self));
    }
    template <typename Self>
    void later(Self& self, stage then) {
        stage_ = then;
        const auto executor = state_->hub->get_executor(); // self, and state_ with it, moves away
        boost::asio::post(executor, std::move(self));
    }

    std::shared_ptr<State> state_;
    Attempt attempt_;
    boost::system::error_code result_;
    std::uint64_t ticket_ = 0;
    clock::time_point waiting_since_{};
    unsigned epoch_ = 0;
    stage stage_ = stage::initial;
};

} // namespace ivshmem::asio::detail
