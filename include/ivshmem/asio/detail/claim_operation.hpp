// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/error_conversion.hpp>
#include <ivshmem/asio/detail/slot_interrupt.hpp>
#include <ivshmem/asio/slot.hpp>
#include <ivshmem/slot_claim.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <memory>
#include <system_error>
#include <utility>

namespace ivshmem::asio::detail {

/// The composed operation of async_claim(): one step of the claim, a timer, the next step.
template <typename Executor>
class claim_operation {
  public:
    claim_operation(const Executor& executor, const device& of, const slot_options& options,
                    slot_claim::of what)
        : state_{std::make_unique<state>(executor, of, options, what)} {}

    template <typename Self>
    void operator()(Self& self, const boost::system::error_code& = {}) {
        const Executor executor = state_->timer.get_executor();
        if (state_->over)
            return complete(self, executor);
        const bool initial = !std::exchange(state_->started, true);
        if (initial)
            self.reset_cancellation_state(boost::asio::enable_total_cancellation());
        if (self.cancelled() != boost::asio::cancellation_type::none) {
            state_->result = boost::asio::error::operation_aborted;
        } else if (const auto pause = state_->step(); pause.count() != 0) {
            auto& timer = state_->timer; // a reference, because state_ moves away with self
            timer.expires_after(pause);
            return timer.async_wait(std::move(self));
        }
        state_->over = true;
        if (!initial)
            return complete(self, executor);
        // A handler is never called from within the initiating function.
        boost::asio::post(executor, std::move(self));
    }

  private:
    using clock = std::chrono::steady_clock;

    struct state {
        state(const Executor& executor, const device& of, const slot_options& options,
              slot_claim::of what)
            : claim{of, options, what}, interrupt{executor}, timer{executor} {
            if (of.is_open() && options.vector < of.capabilities().interrupts)
                interrupt.open(of, options.vector, interrupt_failed);
        }

        std::chrono::milliseconds step() {
            std::error_code ec;
            const auto pause = claim.step(ec);
            if (!ec)
                ec = interrupt_failed;
            result = to_boost(ec);
            return ec ? std::chrono::milliseconds{0} : pause;
        }

        slot_claim claim;
        slot_interrupt<Executor> interrupt; ///< opened here, because the device may close later
        std::error_code interrupt_failed;
        boost::asio::basic_waitable_timer<clock, boost::asio::wait_traits<clock>, Executor> timer;
        boost::system::error_code result;
        bool started = false;
        bool over = false;
    };

    template <typename Self>
    void complete(Self& self, const Executor& executor) {
        const auto result = state_->result;
        std::shared_ptr<hub<Executor>> made;
        if (!result) {
            made = std::make_shared<hub<Executor>>(std::move(state_->interrupt),
                                                   state_->claim.take(), waiting_options{});
            made->start();
        }
        state_.reset(); // before the handler runs
        self.complete(result, basic_slot<Executor>{executor, std::move(made)});
    }

    std::unique_ptr<state> state_;
};

} // namespace ivshmem::asio::detail
