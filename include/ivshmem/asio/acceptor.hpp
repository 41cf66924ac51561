// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/channel.hpp>
#include <ivshmem/asio/detail/acceptor_state.hpp>
#include <ivshmem/asio/detail/channel_operation.hpp>
#include <ivshmem/asio/detail/requirements.hpp>
#include <ivshmem/asio/slot.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/system/error_code.hpp>

#include <memory>
#include <string_view>
#include <utility>

namespace ivshmem::asio {

/// Offers a service by name, and accepts the channels of peers that call async_connect() with that
/// name. No lane numbers must be agreed on. A peer that is lost while it asks is forgotten; its end
/// does not end async_accept().
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe, if their slots are distinct. @e Shared @e objects: Unsafe.
template <typename Executor = boost::asio::any_io_executor>
class basic_acceptor {
  public:
    using executor_type = Executor;

    template <typename Other>
    struct rebind_executor {
        using other = basic_acceptor<Other>;
    };

    /// Offers the service. @param options For the channels that are accepted.
    /// @throws error as ivshmem::service_directory::offer(), errc::vector_out_of_range if the
    /// options name another vector than the slot's, and errc::closed if the slot was closed or
    /// moved from. Nothing is offered then.
    basic_acceptor(basic_slot<Executor>& in, std::string_view name,
                   const channel_options& options = {})
        : executor_{in.get_executor()}, state_{std::make_shared<state_type>(
                                            detail::checked(in.hub(), options), name, options)} {}

    /// A moved-from acceptor keeps its executor; async_accept() completes with errc::closed.
    basic_acceptor(basic_acceptor&& other) noexcept
        : executor_{other.executor_}, state_{std::move(other.state_)} {}
    basic_acceptor& operator=(basic_acceptor&& other) noexcept {
        if (this != &other) {
            close();
            executor_ = other.executor_;
            state_ = std::move(other.state_);
        }
        return *this;
    }
    /// As close().
    ~basic_acceptor() { close(); }

    [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }
    /// Aborts the operations under way and takes the offer back; accepted channels go on.
    void close() noexcept {
        if (state_)
            state_->close();
    }
    /// Aborts the operations under way.
    void cancel() noexcept {
        if (state_)
            state_->abort();
    }

    /// Waits until a peer asks for the service, and connects.
    ///
    /// Regardless of whether the operation completes immediately or not, the completion handler
    /// will not be invoked from within this function.
    ///
    /// @par Completion Signature
    /// @code void(boost::system::error_code, basic_channel<Executor>) @endcode
    ///
    /// @par Errors
    /// boost::asio::error::operation_aborted after cancel(), close() or destruction; errc::closed
    /// if the slot was closed; errc::slot_lost, device_removed.
    ///
    /// @par Per-Operation Cancellation
    /// terminal, partial and total: the next operation accepts the peer that asks.
    template <detail::completion_token<void(boost::system::error_code, basic_channel<Executor>)>
                  Token = boost::asio::default_completion_token_t<Executor>>
    auto async_accept(Token&& token = Token{}) {
        return detail::async_start(
            executor_, state_, detail::accept_attempt<Executor>{basic_channel<Executor>{executor_}},
            std::forward<Token>(token));
    }

  private:
    using state_type = detail::acceptor_state<Executor>;

    Executor executor_;
    std::shared_ptr<state_type> state_; ///< empty after a move
};

using acceptor = basic_acceptor<>;

} // namespace ivshmem::asio
