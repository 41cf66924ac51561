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
#include <system_error>
#include <utility>

namespace ivshmem::asio::detail {

/// The composed operation behind every wait: wait until the descriptor polls readable, take what
/// is there, wait again where there was nothing.
template <typename Source, typename Executor>
class wait_operation {
  public:
    using value_type = typename Source::value_type;

    explicit wait_operation(std::shared_ptr<wait_state<Source, Executor>> state)
        : state_{std::move(state)} {}

    /// Begins; also entered a second time, by way of the executor, where there is nothing to wait
    /// for: a handler is never called from within the initiating function.
    template <typename Self>
    void operator()(Self& self) {
        if (started_)
            return self.complete(state_->not_open, value_type{});
        started_ = true;
        epoch_ = state_->epoch; // a deferred operation begins now, not when it was made
        self.reset_cancellation_state(boost::asio::enable_total_cancellation());
        if (!state_->descriptor.is_open())
            return boost::asio::post(state_->descriptor.get_executor(), std::move(self));
        wait(self);
    }

    template <typename Self>
    void operator()(Self& self, const boost::system::error_code& waited) {
        if (waited)
            return self.complete(waited, value_type{});
        if (state_->epoch != epoch_) // closed or cancelled since the wake-up
            return self.complete(boost::asio::error::operation_aborted, value_type{});
        std::error_code ec;
        auto taken = state_->source.take(ec);
        if (ec)
            return self.complete(to_boost(ec), value_type{});
        if (taken)
            return self.complete({}, std::move(*taken));
        if (self.cancelled() != boost::asio::cancellation_type::none)
            return self.complete(boost::asio::error::operation_aborted, value_type{});
        wait(self);
    }

  private:
    template <typename Self>
    void wait(Self& self) {
        auto& descriptor = state_->descriptor; // self, and state_ with it, moves away
        descriptor.async_wait(boost::asio::posix::descriptor_base::wait_read, std::move(self));
    }

    std::shared_ptr<wait_state<Source, Executor>> state_;
    unsigned epoch_ = 0;
    bool started_ = false;
};

} // namespace ivshmem::asio::detail
