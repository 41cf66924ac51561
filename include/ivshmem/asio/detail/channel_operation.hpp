// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/error_conversion.hpp>
#include <ivshmem/asio/detail/sole_entry.hpp>
#include <ivshmem/error.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

namespace ivshmem::asio::detail {

/// The composed operation of channels, streams, acceptors and connectors: tries, waits for the
/// peer, and tries again.
///
/// State has: hub; failed; epoch, which grows with each cancellation; spin_pays; sleeping(), which
/// asks the peer for a wake-up and returns whether to wait for it; and done(), called after each
/// operation. Attempt has: value_type; gate_of(state), the gate at which it waits; attempt(state,
/// ec), which returns whether it is complete; value(), unless value_type is void; and
/// give_up(state, buffers_are_valid), which undoes a partial attempt and must not throw.
///
/// An operation that is destroyed before it completes, because its handler was dropped or an
/// exception was thrown, gives up and leaves the line. It does not use the buffers then: if an
/// execution context is destroyed last, they are freed already.
template <typename State, typename Attempt, typename Handler>
class channel_operation {
  public:
    using value_type = typename Attempt::value_type;
    using cancellation_slot_type = boost::asio::cancellation_slot;

    template <typename H>
    channel_operation(H&& handler, std::shared_ptr<State> state, Attempt attempt)
        : handler_{std::forward<H>(handler)}, state_{std::move(state)}, attempt_{
                                                                            std::move(attempt)} {}
    // The handler's move constructor may throw.
    // NOLINTNEXTLINE(performance-noexcept-move-constructor)
    channel_operation(channel_operation&&) = default;
    channel_operation& operator=(channel_operation&&) = delete;
    ~channel_operation() {
        if (place_)
            leave(true, false);
    }

    /// Begins. The handler is never called from within.
    /// @param executor The executor of the I/O object, which has lost its state if it was moved
    /// from.
    template <typename Executor>
    void start(const Executor& executor) {
        if (!state_) {
            result_ = to_boost(errc::closed);
            complete_ = true;
            return boost::asio::post(executor, std::move(*this));
        }
        cancellation_ =
            boost::asio::cancellation_state{boost::asio::get_associated_cancellation_slot(handler_),
                                            boost::asio::enable_total_cancellation()};
        epoch_ = state_->epoch;
        place_ = Attempt::gate_of(*state_).enter();
        complete_ = finished();
        if (complete_)
            later();
        else
            wait();
    }
    /// Continues after each wait.
    void operator()(const boost::system::error_code& = {}) {
        if (complete_ || finished())
            return complete();
        if (cancellation_.cancelled() != boost::asio::cancellation_type::none) {
            finish(boost::asio::error::operation_aborted);
            return complete();
        }
        wait();
    }

    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
        return cancellation_.slot();
    }
    /// Allocator and executor are those of the handler.
    [[nodiscard]] const Handler& handler() const noexcept { return handler_; }

  private:
    using clock = std::chrono::steady_clock;

    /// Tries, and returns whether the operation has finished.
    bool finished() {
        const sole_entry here{state_->hub->occupied};
        if (state_->epoch != epoch_)
            return finish(boost::asio::error::operation_aborted);
        if (place_.is_over())
            return finish(to_boost(errc::channel_reset));
        if (!place_.is_first())
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
        if (waiting_since_ != clock::time_point{})
            state_->spin_pays = clock::now() - waiting_since_ < 2 * state_->hub->waiting.spin;
        leave(bool{result}, true);
        return true;
    }
    void leave(bool give_up, bool buffers_are_valid) noexcept {
        if (give_up && !place_.is_over()) // a session that is over needs no undo
            attempt_.give_up(*state_, buffers_are_valid);
        place_.leave();
        state_->done();
    }

    void complete() {
        boost::asio::get_associated_cancellation_slot(handler_).clear();
        Handler handler{std::move(handler_)};
        if constexpr (std::is_void_v<value_type>) {
            state_.reset();
            std::move(handler)(result_);
        } else {
            auto value = attempt_.value();
            state_.reset();
            std::move(handler)(result_, std::move(value));
        }
    }
    void wait() {
        if (place_.is_first()) {
            if (waiting_since_ == clock::time_point{})
                waiting_since_ = clock::now();
            if (state_->spin_pays && clock::now() - waiting_since_ < state_->hub->waiting.spin)
                return later();
            if (!state_->sleeping()) // an event arrived in the meantime
                return later();
            state_->hub->expect();
        }
        place_.async_wait(std::move(*this));
    }
    void later() {
        const auto executor = state_->hub->get_executor(); // copied, because state_ moves away
        boost::asio::post(executor, std::move(*this));
    }

    // Destroyed in reverse order: the place in line first, then its state, and last the handler,
    // which may own the buffers and the memory that holds this operation.
    Handler handler_;
    std::shared_ptr<State> state_;
    Attempt attempt_;
    decltype(Attempt::gate_of(std::declval<State&>()).enter()) place_;
    boost::asio::cancellation_state cancellation_;
    boost::system::error_code result_;
    clock::time_point waiting_since_{};
    unsigned epoch_ = 0;
    bool complete_ = false;
};

/// Starts a channel_operation once its completion handler is known.
template <typename Executor>
struct start_channel_operation {
    using executor_type = Executor;

    template <typename Handler, typename State, typename Attempt>
    void operator()(Handler&& handler, std::shared_ptr<State> state, Attempt attempt) const {
        channel_operation<State, Attempt, std::decay_t<Handler>> operation{
            std::forward<Handler>(handler), std::move(state), std::move(attempt)};
        operation.start(executor);
    }
    [[nodiscard]] executor_type get_executor() const noexcept { return executor; }

    Executor executor;
};

template <typename Value>
struct completion_of {
    using signature = void(boost::system::error_code, Value);
};
template <>
struct completion_of<void> {
    using signature = void(boost::system::error_code);
};

/// @param executor The executor of the I/O object. @param state Empty if the object was moved from
/// or never opened.
template <typename Executor, typename State, typename Attempt, typename Token>
auto async_start(const Executor& executor, const std::shared_ptr<State>& state, Attempt attempt,
                 Token&& token) {
    using signature = typename completion_of<typename Attempt::value_type>::signature;
    return boost::asio::async_initiate<Token, signature>(
        start_channel_operation<Executor>{executor}, token, state, std::move(attempt));
}

} // namespace ivshmem::asio::detail

/// The operation has the allocator and the executor of its handler.
template <template <typename, typename> class Associator, typename State, typename Attempt,
          typename Handler, typename Default>
struct boost::asio::associator<
    Associator, ivshmem::asio::detail::channel_operation<State, Attempt, Handler>, Default>
    : Associator<Handler, Default> {
    using operation = ivshmem::asio::detail::channel_operation<State, Attempt, Handler>;

    static auto get(const operation& of) noexcept {
        return Associator<Handler, Default>::get(of.handler());
    }
    static auto get(const operation& of, const Default& otherwise) noexcept {
        return Associator<Handler, Default>::get(of.handler(), otherwise);
    }
};
