// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/error_conversion.hpp>
#include <ivshmem/asio/detail/wait_state.hpp>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>

#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace ivshmem::asio::detail {

/// The composed operation of every wait: waits until the descriptor polls readable, takes what has
/// arrived, and waits again if there was nothing.
template <typename Source, typename Executor>
class wait_operation {
  public:
    using state_type = wait_state<Source, Executor>;
    using value_type = typename Source::value_type;

    /// @param state Null if the I/O object was moved from.
    explicit wait_operation(std::shared_ptr<state_type> state) : state_{std::move(state)} {}

    /// Begins. If the object is not open, runs a second time through the executor, because a
    /// handler is never called from within the initiating function.
    template <typename Self>
    void operator()(Self& self) {
        if (std::exchange(started_, true))
            return self.complete(state_ ? state_->not_open() : to_boost(errc::closed),
                                 value_type{});
        self.reset_cancellation_state(boost::asio::enable_total_cancellation());
        if (!state_ || !state_->is_open())
            return boost::asio::post(self.get_executor(), std::move(self));
        epoch_ = state_->epoch(); // a deferred operation begins now, not at its creation
        if (state_->has_attention())
            place_.emplace(state_);
        wait(self);
    }

    template <typename Self>
    void operator()(Self& self, boost::system::error_code result) {
        const bool cancelled = self.cancelled() != boost::asio::cancellation_type::none;
        const bool woken = result == boost::asio::error::operation_aborted && !cancelled;
        value_type value{};
        if (state_->epoch() != epoch_) { // closed or cancelled since the wake-up
            result = boost::asio::error::operation_aborted;
        } else if (!result || woken) {
            std::error_code ec;
            auto taken = state_->take(ec);
            if (!ec && !taken && !cancelled)
                return wait(self);
            result = to_boost(ec);
            if (taken)
                value = std::move(*taken);
            else if (!ec)
                result = boost::asio::error::operation_aborted;
        }
        // Left after the handler, which may start the next operation.
        const auto place = std::move(place_);
        place_.reset();
        self.complete(result, std::move(value));
    }

  private:
    template <typename Self>
    void wait(Self& self) {
        const auto state = state_; // self, and state_ with it, moves away
        state->wait(std::move(self));
    }

    std::shared_ptr<state_type> state_;
    std::optional<typename state_type::place> place_;
    unsigned epoch_ = 0;
    bool started_ = false;
};

} // namespace ivshmem::asio::detail
