// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/error_conversion.hpp>
#include <ivshmem/asio/detail/execution_context.hpp>
#include <ivshmem/asio/detail/wait_operation.hpp>
#include <ivshmem/asio/detail/wait_state.hpp>
#include <ivshmem/detail/descriptors.hpp>
#include <ivshmem/error.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/compose.hpp>

#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

#include <unistd.h>

namespace ivshmem::asio {

/// What interrupt, any_interrupt, device_events and device_monitor have in common: they wait until
/// the descriptor of a Source polls readable, and take from it.
///
/// Of a device they hold a reference that follows when the device moves; the device must stay open
/// for as long as waits are under way. A moved-from object may be assigned to or destroyed.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
template <typename Source, typename Executor>
class basic_wait_object {
  public:
    using executor_type = Executor;

    basic_wait_object(basic_wait_object&&) noexcept = default;
    basic_wait_object& operator=(basic_wait_object&& other) noexcept {
        if (this != &other) {
            close();
            state_ = std::move(other.state_);
        }
        return *this;
    }
    /// As close().
    ~basic_wait_object() { close(); }

    [[nodiscard]] executor_type get_executor() const noexcept {
        return state_->descriptor.get_executor();
    }
    [[nodiscard]] bool is_open() const noexcept { return state_->descriptor.is_open(); }

    /// Ends the waits under way: they complete with boost::asio::error::operation_aborted. What
    /// was not taken yet stays for the next wait. Never throws.
    void cancel() noexcept {
        ++state_->epoch;
        boost::system::error_code ignored; // nothing was under way
        state_->descriptor.cancel(ignored);
    }

    /// As cancel(), and lets what it waits for go. Later waits complete with errc::closed.
    void close() noexcept {
        if (!state_)
            return;
        ++state_->epoch;
        boost::system::error_code ignored; // the descriptor is gone in any case
        state_->descriptor.close(ignored);
        state_->source = {};
        state_->not_open = detail::to_boost(errc::closed);
    }

  protected:
    explicit basic_wait_object(const Executor& executor)
        : state_{std::make_shared<wait_state>(executor)} {}

    /// Keeps why it failed: a wait on an object that could not be opened says so.
    void open(Source source, std::error_code& ec) {
        close();
        const int fd = source.fd(ec);
        if (!ec)
            assign_duplicate(fd, ec);
        state_->not_open = detail::to_boost(ec ? ec : make_error_code(errc::closed));
        state_->source = std::move(source);
    }

    template <typename Token>
    auto async_take(Token&& token) {
        using value_type = typename Source::value_type;
        return boost::asio::async_compose<Token, void(boost::system::error_code, value_type)>(
            detail::wait_operation<Source, Executor>{state_}, token, state_->descriptor);
    }

  private:
    using wait_state = detail::wait_state<Source, Executor>;

    void assign_duplicate(int fd, std::error_code& ec) {
        const int duplicate = ivshmem::detail::duplicate_descriptor(fd, ec);
        if (ec)
            return;
        boost::system::error_code failed;
        state_->descriptor.assign(duplicate, failed);
        if (failed) {
            ::close(duplicate);
            ec = failed;
        }
    }

    std::shared_ptr<wait_state> state_;
};

} // namespace ivshmem::asio
