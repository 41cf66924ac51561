// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/basic_wait_object.hpp>
#include <ivshmem/detail/device_reference.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

namespace ivshmem::asio {

namespace detail {

struct interrupt_source {
    using value_type = std::uint64_t;
    ivshmem::detail::device_reference device{};
    std::uint32_t vector = 0;

    [[nodiscard]] int fd() const { return device.rings_fd(vector); }
    int fd(std::error_code& ec) const { return device.rings_fd(vector, ec); }
    [[nodiscard]] int attention_fd() const noexcept { return device.attention_fd(); }
    std::optional<value_type> take(std::error_code& ec) const {
        const value_type count = device.take(vector, ec);
        return count != 0 ? std::optional{count} : std::nullopt;
    }
};

} // namespace detail

/// Waits for the rings of one vector.
///
/// Interrupts are hints: look at the memory, wait, look again. If several waits are under way on
/// one vector, in one object or in several, any one of them takes the rings.
///
/// open() and the constructors take the device and the vector, 0..capabilities().interrupts-1. They
/// fail as device::interrupt_fd().
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe. @e Shared @e objects: Unsafe.
template <typename Executor = boost::asio::any_io_executor>
class basic_interrupt
    : public basic_wait_object<detail::interrupt_source, Executor, const device&, std::uint32_t> {
    using base =
        basic_wait_object<detail::interrupt_source, Executor, const device&, std::uint32_t>;

  public:
    using base::base;

    /// The same type for another executor, such as one with a default completion token:
    /// use_awaitable_t<>::as_default_on_t<interrupt>. An existing object cannot be converted;
    /// construct one of that type.
    template <typename Other>
    struct rebind_executor {
        using other = basic_interrupt<Other>;
    };

    /// Waits until the vector is rung, and takes the rings since the last wait.
    ///
    /// Regardless of whether the operation completes immediately or not, the completion handler
    /// will not be invoked from within this function.
    ///
    /// @par Completion Signature
    /// @code void(boost::system::error_code, std::uint64_t rings) @endcode
    /// rings is at least 1 without an error and 0 with one; several rings may have merged into one.
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

using interrupt = basic_interrupt<>;

} // namespace ivshmem::asio
