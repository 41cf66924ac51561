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

struct device_events_source {
    using value_type = event;
    ivshmem::detail::device_reference device{};

    [[nodiscard]] int fd() const { return device.event_fd(); }
    int fd(std::error_code& ec) const { return device.event_fd(ec); }
    std::optional<value_type> take(std::error_code& ec) const { return device.next_event(ec); }
};

} // namespace detail

/// Reads the events of a device: peers that join and leave (server), states that change
/// (ivshmem-v2), removal (vfio).
///
/// open() and the constructors take the device. They fail as device::event_fd().
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
template <typename Executor = boost::asio::any_io_executor>
class basic_device_events
    : public basic_wait_object<detail::device_events_source, Executor, const device&> {
    using base = basic_wait_object<detail::device_events_source, Executor, const device&>;

  public:
    using base::base;

    /// The same type for another executor, such as one with a default completion token:
    /// use_awaitable_t<>::as_default_on_t<device_events>. An existing object cannot be converted;
    /// construct one of that type.
    template <typename Other>
    struct rebind_executor {
        using other = basic_device_events<Other>;
    };

    /// Reads the next event.
    ///
    /// Regardless of whether the operation completes immediately or not, the completion handler
    /// will not be invoked from within this function.
    ///
    /// @par Completion Signature
    /// @code void(boost::system::error_code, ivshmem::event) @endcode
    ///
    /// @par Errors
    /// boost::asio::error::operation_aborted after cancel(), close() or destruction; the error that
    /// open() failed with; after the last possible event, the error of device::next_event().
    ///
    /// @par Per-Operation Cancellation
    /// terminal, partial and total: no event is lost.
    template <detail::completion_token<typename base::take_signature> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_next(Token&& token = Token{}) {
        return this->async_take(std::forward<Token>(token));
    }
};

using device_events = basic_device_events<>;

} // namespace ivshmem::asio
