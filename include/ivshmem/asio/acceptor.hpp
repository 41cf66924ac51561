// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/channel.hpp>
#include <ivshmem/asio/detail/acceptor_state.hpp>
#include <ivshmem/asio/slot.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/compose.hpp>

#include <memory>
#include <string_view>
#include <utility>

namespace ivshmem::asio {

/// Offers a service by name, and accepts the channels of those who ask for it with
/// async_connect(): nobody needs to agree on lane numbers.
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

    /// Offers the service. @param options Of the channels to be accepted.
    /// @throws error as ivshmem::service_directory::offer().
    basic_acceptor(basic_slot<Executor>& in, std::string_view name,
                   const channel_options& options = {})
        : state_{std::make_shared<state_type>(
              in.hub(), ivshmem::service_directory{in.next_layer()}.offer(name),
              detail::checked(*in.hub(), options))} {}

    basic_acceptor(basic_acceptor&&) noexcept = default;
    basic_acceptor& operator=(basic_acceptor&& other) noexcept {
        if (this != &other) {
            close();
            state_ = std::move(other.state_);
        }
        return *this;
    }
    /// As close().
    ~basic_acceptor() { close(); }

    [[nodiscard]] executor_type get_executor() const noexcept {
        return state_->hub->get_executor();
    }
    /// Aborts the operations under way and takes the offer back; accepted channels go on.
    void close() noexcept {
        if (state_)
            state_->close();
    }
    /// Aborts the operations under way.
    void cancel() noexcept { state_->abort(); }

    /// Waits for somebody to ask for the service, and connects.
    ///
    /// Regardless of whether the operation completes immediately or not, the completion handler
    /// will not be invoked from within this function.
    ///
    /// @par Completion Signature
    /// @code void(boost::system::error_code, basic_channel<Executor>) @endcode
    ///
    /// @par Errors
    /// boost::asio::error::operation_aborted after cancel(), close() or destruction; errc::closed
    /// where the slot was closed; errc::slot_lost, device_removed.
    ///
    /// @par Per-Operation Cancellation
    /// terminal, partial and total: who asks is accepted by the next operation.
    template <typename Token = boost::asio::default_completion_token_t<Executor>>
    auto async_accept(Token&& token = Token{}) {
        using attempt_type = detail::accept_attempt<Executor>;
        return boost::asio::async_compose<Token,
                                          void(boost::system::error_code, basic_channel<Executor>)>(
            detail::channel_operation<state_type, attempt_type>{state_, attempt_type{}}, token,
            get_executor());
    }

  private:
    using state_type = detail::acceptor_state<Executor>;

    std::shared_ptr<state_type> state_;
};

using acceptor = basic_acceptor<>;

} // namespace ivshmem::asio
