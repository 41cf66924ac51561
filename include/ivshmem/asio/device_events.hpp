// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/basic_wait_object.hpp>
#include <ivshmem/detail/device_reference.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <optional>

namespace ivshmem::asio {

namespace detail {

struct device_events_source {
    using value_type = event;
    ivshmem::detail::device_reference device{};

    int fd(std::error_code& ec) const { return device.event_fd(ec); }
    std::optional<value_type> take(std::error_code& ec) const { return device.next_event(ec); }
};

} // namespace detail

/// Reads the events of a device: peers that join and leave (server), removal (vfio).
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
template <typename Executor = boost::asio::any_io_executor>
class basic_device_events : public basic_wait_object<detail::device_events_source, Executor> {
    using base = basic_wait_object<detail::device_events_source, Executor>;

  public:
    /// The same object for another executor, such as one with a default completion token:
    /// use_awaitable_t<>::as_default_on_t<device_events>. It is to be constructed so; an object
    /// that exists cannot be converted.
    template <typename Other>
    struct rebind_executor {
        using other = basic_device_events<Other>;
    };

    /// Not open: a read completes with errc::closed.
    explicit basic_device_events(const Executor& executor) : base{executor} {}
    explicit basic_device_events(detail::execution_context auto& context)
        : base{context.get_executor()} {}

    /// Opens. @throws error as device::event_fd(), and a system error.
    basic_device_events(const Executor& executor, const device& of) : base{executor} { open(of); }
    basic_device_events(detail::execution_context auto& context, const device& of)
        : basic_device_events{Executor{context.get_executor()}, of} {}

    /// Reads the events of another device from now on; reads under way are aborted.
    /// @throws error as device::event_fd(), and a system error.
    void open(const device& of) {
        static_cast<void>(of.event_fd()); // says more than a code can
        std::error_code ec;
        open(of, ec);
        if (ec)
            throw error{ec, "waiting for events: " + ec.message()};
    }
    /// After a failure a read completes with the same error, at once.
    void open(const device& of, std::error_code& ec) {
        base::open({ivshmem::detail::device_reference{of}}, ec);
    }

    /// Reads the next event.
    ///
    /// Regardless of whether the operation completes immediately or not, the completion handler
    /// will not be invoked from within this function.
    ///
    /// @par Completion Signature
    /// @code void(boost::system::error_code, ivshmem::event) @endcode
    ///
    /// @par Errors
    /// boost::asio::error::operation_aborted after cancel(), close() or destruction; what open()
    /// failed with; after the last event there can ever be, what device::next_event() fails with.
    ///
    /// @par Per-Operation Cancellation
    /// terminal, partial and total: no event is lost.
    template <typename Token = boost::asio::default_completion_token_t<Executor>>
    auto async_next(Token&& token = Token{}) {
        return this->async_take(std::forward<Token>(token));
    }
};

using device_events = basic_device_events<>;

} // namespace ivshmem::asio
