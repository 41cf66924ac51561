// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/basic_wait_object.hpp>
#include <ivshmem/device_monitor.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <optional>
#include <system_error>
#include <utility>

namespace ivshmem::asio {

namespace detail {

struct device_monitor_source {
    using value_type = device_change;
    ivshmem::device_monitor monitor{};

    [[nodiscard]] int fd() const {
        std::error_code ec;
        const int fd = this->fd(ec);
        if (ec)
            throw error{ec, "device monitor: " + ec.message()};
        return fd;
    }
    int fd(std::error_code& ec) const {
        ec = monitor.is_open() ? std::error_code{} : make_error_code(errc::closed);
        return monitor.fd();
    }
    std::optional<value_type> take(std::error_code& ec) { return monitor.next(ec); }
};

} // namespace detail

/// Reports the devices and their changes: ivshmem::device_monitor on an event loop, made from an
/// open one:
///
///     ivshmem::asio::device_monitor monitor{io, ivshmem::device_monitor::open()};
///
/// The devices that exist already are reported first.
///
/// open() and the constructors take over an ivshmem::device_monitor. They fail with errc::closed if
/// that is closed.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe; so on an event loop with several
/// threads no two operations may be under way, unless on a strand.
template <typename Executor = boost::asio::any_io_executor>
class basic_device_monitor
    : public basic_wait_object<detail::device_monitor_source, Executor, ivshmem::device_monitor> {
    using base =
        basic_wait_object<detail::device_monitor_source, Executor, ivshmem::device_monitor>;

  public:
    using base::base;

    /// The same type for another executor, such as one with a default completion token:
    /// use_awaitable_t<>::as_default_on_t<device_monitor>. An existing object cannot be converted;
    /// construct one of that type.
    template <typename Other>
    struct rebind_executor {
        using other = basic_device_monitor<Other>;
    };

    /// Reads the next change.
    ///
    /// Regardless of whether the operation completes immediately or not, the completion handler
    /// will not be invoked from within this function.
    ///
    /// @par Completion Signature
    /// @code void(boost::system::error_code, ivshmem::device_change) @endcode
    ///
    /// @par Errors
    /// boost::asio::error::operation_aborted after cancel(), close() or destruction; the error that
    /// open() failed with; the error of device_monitor::next(), after which reading may continue.
    ///
    /// @par Per-Operation Cancellation
    /// terminal, partial and total: no change is lost.
    template <detail::completion_token<typename base::take_signature> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_next(Token&& token = Token{}) {
        return this->async_take(std::forward<Token>(token));
    }
};

using device_monitor = basic_device_monitor<>;

} // namespace ivshmem::asio
