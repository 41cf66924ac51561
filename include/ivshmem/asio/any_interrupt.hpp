// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/basic_wait_object.hpp>
#include <ivshmem/detail/device_reference.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <optional>
#include <system_error>
#include <utility>

namespace ivshmem::asio {

namespace detail {

struct any_interrupt_source {
    using value_type = interrupt_count;
    ivshmem::detail::device_reference device{};

    [[nodiscard]] int fd() const { return device.any_interrupt_fd(); }
    int fd(std::error_code& ec) const { return device.any_interrupt_fd(ec); }
    std::optional<value_type> take(std::error_code& ec) const { return device.take_any(ec); }
};

} // namespace detail

/// Waits for the rings of all vectors of a device at once.
///
/// open() and the constructors take the device. They fail as device::any_interrupt_fd().
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
template <typename Executor = boost::asio::any_io_executor>
class basic_any_interrupt
    : public basic_wait_object<detail::any_interrupt_source, Executor, const device&> {
    using base = basic_wait_object<detail::any_interrupt_source, Executor, const device&>;

  public:
    using base::base;

    /// The same type for another executor, such as one with a default completion token:
    /// use_awaitable_t<>::as_default_on_t<any_interrupt>. An existing object cannot be converted;
    /// construct one of that type.
    template <typename Other>
    struct rebind_executor {
        using other = basic_any_interrupt<Other>;
    };

    /// Waits until a vector is rung, and takes the rings of that vector since the last wait. If
    /// several vectors were rung, the waits that follow take them in turn.
    ///
    /// Regardless of whether the operation completes immediately or not, the completion handler
    /// will not be invoked from within this function.
    ///
    /// @par Completion Signature
    /// @code void(boost::system::error_code, ivshmem::interrupt_count) @endcode
    ///
    /// @par Errors
    /// boost::asio::error::operation_aborted after cancel(), close() or destruction;
    /// errc::device_removed if the device goes away; the error that open() failed with.
    ///
    /// @par Per-Operation Cancellation
    /// terminal, partial and total: rings that were not delivered stay for the next wait.
    template <detail::completion_token<typename base::take_signature> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_wait(Token&& token = Token{}) {
        return this->async_take(std::forward<Token>(token));
    }
};

using any_interrupt = basic_any_interrupt<>;

} // namespace ivshmem::asio
