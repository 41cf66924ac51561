// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/basic_wait_object.hpp>
#include <ivshmem/detail/device_reference.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <optional>

namespace ivshmem::asio {

namespace detail {

struct any_interrupt_source {
    using value_type = interrupt_count;
    ivshmem::detail::device_reference device{};

    int fd(std::error_code& ec) const { return device.any_interrupt_fd(ec); }
    std::optional<value_type> take(std::error_code& ec) const { return device.take_any(ec); }
};

} // namespace detail

/// Waits for the rings of all vectors of a device at once.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
template <typename Executor = boost::asio::any_io_executor>
class basic_any_interrupt : public basic_wait_object<detail::any_interrupt_source, Executor> {
    using base = basic_wait_object<detail::any_interrupt_source, Executor>;

  public:
    /// The same object for another executor, such as one with a default completion token:
    /// use_awaitable_t<>::as_default_on_t<any_interrupt>. It is to be constructed so; an object
    /// that exists cannot be converted.
    template <typename Other>
    struct rebind_executor {
        using other = basic_any_interrupt<Other>;
    };

    /// Not open: a wait completes with errc::closed.
    explicit basic_any_interrupt(const Executor& executor) : base{executor} {}
    explicit basic_any_interrupt(detail::execution_context auto& context)
        : base{context.get_executor()} {}

    /// Opens. @throws error as device::any_interrupt_fd(), and a system error.
    basic_any_interrupt(const Executor& executor, const device& of) : base{executor} { open(of); }
    basic_any_interrupt(detail::execution_context auto& context, const device& of)
        : basic_any_interrupt{Executor{context.get_executor()}, of} {}

    /// Waits for another device from now on; waits under way are aborted.
    /// @throws error as device::any_interrupt_fd(), and a system error.
    void open(const device& of) {
        static_cast<void>(of.any_interrupt_fd()); // says more than a code can
        std::error_code ec;
        open(of, ec);
        if (ec)
            throw error{ec, "waiting for interrupts: " + ec.message()};
    }
    /// After a failure a wait completes with the same error, at once.
    void open(const device& of, std::error_code& ec) {
        base::open({ivshmem::detail::device_reference{of}}, ec);
    }

    /// Waits until a vector is rung, and takes the rings of that vector since the last wait. Where
    /// several were rung, each has its turn with the waits that follow.
    ///
    /// Regardless of whether the operation completes immediately or not, the completion handler
    /// will not be invoked from within this function.
    ///
    /// @par Completion Signature
    /// @code void(boost::system::error_code, ivshmem::interrupt_count) @endcode
    ///
    /// @par Errors
    /// boost::asio::error::operation_aborted after cancel(), close() or destruction;
    /// errc::device_removed where the device goes away; what open() failed with.
    ///
    /// @par Per-Operation Cancellation
    /// terminal, partial and total: rings that were not delivered stay for the next wait.
    template <typename Token = boost::asio::default_completion_token_t<Executor>>
    auto async_wait(Token&& token = Token{}) {
        return this->async_take(std::forward<Token>(token));
    }
};

using any_interrupt = basic_any_interrupt<>;

} // namespace ivshmem::asio
