// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/execution_context.hpp>
#include <ivshmem/asio/detail/requirements.hpp>
#include <ivshmem/asio/detail/wait_operation.hpp>
#include <ivshmem/asio/detail/wait_state.hpp>
#include <ivshmem/error.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/compose.hpp>
#include <boost/system/error_code.hpp>

#include <memory>
#include <system_error>
#include <utility>

namespace ivshmem::asio {

/// The common part of interrupt, any_interrupt, device_events and device_monitor: waits until the
/// descriptor of a Source polls readable, and takes from it. Target is the list of arguments that
/// open() passes to the Source.
///
/// An object holds a reference to a device, which stays valid when the device is moved; the device
/// must stay open while waits are under way. A moved-from object keeps its executor and is not
/// open.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
template <typename Source, typename Executor, typename... Target>
class basic_wait_object {
    using wait_state = detail::wait_state<Source, Executor>;

  public:
    using executor_type = Executor;

    /// Not open: an operation completes with errc::closed.
    explicit basic_wait_object(const Executor& executor)
        : executor_{executor}, state_{std::make_shared<wait_state>(executor)} {}
    explicit basic_wait_object(detail::execution_context auto& context)
        : basic_wait_object{Executor{context.get_executor()}} {}

    /// Opens. @throws error as open().
    basic_wait_object(const Executor& executor, Target... target) : basic_wait_object{executor} {
        open(std::forward<Target>(target)...);
    }
    basic_wait_object(detail::execution_context auto& context, Target... target)
        : basic_wait_object{Executor{context.get_executor()}, std::forward<Target>(target)...} {}

    basic_wait_object(basic_wait_object&& other) noexcept
        : executor_{other.executor_}, state_{std::move(other.state_)} {}
    basic_wait_object& operator=(basic_wait_object&& other) noexcept {
        if (this != &other) {
            close();
            executor_ = other.executor_;
            state_ = std::move(other.state_);
        }
        return *this;
    }
    /// As close().
    ~basic_wait_object() { close(); }

    /// Waits for another target from now on; operations under way are aborted.
    /// @throws error errc::closed, errc::descriptor_limit, a system error, or an error that the
    /// derived class documents.
    void open(Target... target) {
        Source source{std::forward<Target>(target)...};
        static_cast<void>(source.fd()); // throws a message with more detail than a code
        std::error_code ec;
        open_source(std::move(source), ec);
        if (ec)
            throw error{ec, "waiting on an event loop: " + ec.message()};
    }
    /// After a failure an operation completes with the same error.
    void open(Target... target, std::error_code& ec) {
        open_source(Source{std::forward<Target>(target)...}, ec);
    }

    [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }
    [[nodiscard]] bool is_open() const noexcept { return state_ && state_->is_open(); }

    /// Ends the operations under way: they complete with boost::asio::error::operation_aborted.
    /// Events that were not taken stay for the next operation. Never throws.
    void cancel() noexcept {
        if (state_)
            state_->cancel();
    }

    /// As cancel(), and releases the descriptor. Later operations complete with errc::closed.
    void close() noexcept {
        if (state_)
            state_->close();
    }

  protected:
    using take_signature = void(boost::system::error_code, typename Source::value_type);

    template <typename Token>
    auto async_take(Token&& token) {
        return boost::asio::async_compose<Token, take_signature>(
            detail::wait_operation<Source, Executor>{state_}, token, executor_);
    }

  private:
    /// Keeps the error of a failure for the operations.
    void open_source(Source source, std::error_code& ec) {
        close();
        if (!state_) // moved from
            state_ = std::make_shared<wait_state>(executor_);
        state_->open(std::move(source), ec);
    }

    Executor executor_;
    std::shared_ptr<wait_state> state_; ///< null if moved from
};

} // namespace ivshmem::asio
