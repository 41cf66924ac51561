// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/blocking_operation.hpp>
#include <ivshmem/asio/detail/execution_context.hpp>
#include <ivshmem/asio/detail/requirements.hpp>
#include <ivshmem/device.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/is_executor.hpp>
#include <boost/system/error_code.hpp>

#include <concepts>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace ivshmem::asio {

namespace detail {

using open_signature = void(boost::system::error_code, device);

template <typename T>
concept executor = boost::asio::is_executor<T>::value || boost::asio::execution::is_executor_v<T>;

template <typename T>
concept names_a_device =
    std::same_as<T, selector> || std::convertible_to<const T&, std::string_view>;

} // namespace detail

/// Opens a device without blocking the event loop: device::open() runs on a thread of
/// boost::asio::system_executor, for options.timeout at most.
///
/// Regardless of whether the operation completes immediately or not, the completion handler will
/// not be invoked from within this function. The operation counts as work of the executor.
///
/// @param which A selector, or text as selector::parse() takes it.
///
/// @par Completion Signature
/// @code void(boost::system::error_code, ivshmem::device) @endcode
/// The device is closed if there is an error.
///
/// @par Errors
/// As device::open(); errc::descriptor_limit, or a system error, if the thread or the eventfd that
/// reports its end cannot be created.
///
/// @par Per-Operation Cancellation
/// terminal, partial and total: completes with boost::asio::error::operation_aborted at once. The
/// thread continues for options.timeout at most, and closes the device that it opened. The same
/// happens if the execution context is destroyed first. The end of the program waits for the
/// thread.
template <detail::executor Executor, detail::names_a_device Which,
          detail::completion_token<detail::open_signature> Token =
              boost::asio::default_completion_token_t<Executor>>
auto async_open(const Executor& executor, const Which& which, const open_options& options,
                Token&& token = Token{}) {
    using stored = std::conditional_t<std::same_as<Which, selector>, selector, std::string>;
    return detail::async_blocking(
        executor,
        [which = stored{which}, options](std::error_code& ec) {
            return device::open(which, options, ec);
        },
        [](device opened, std::error_code&) { return opened; }, std::forward<Token>(token));
}
template <detail::executor Executor, detail::names_a_device Which,
          detail::completion_token<detail::open_signature> Token =
              boost::asio::default_completion_token_t<Executor>>
auto async_open(const Executor& executor, const Which& which, Token&& token = Token{}) {
    return async_open(executor, which, open_options{}, std::forward<Token>(token));
}
/// The same for an execution context, such as boost::asio::io_context.
template <detail::execution_context Context, detail::names_a_device Which,
          detail::completion_token<detail::open_signature> Token>
auto async_open(Context& context, const Which& which, const open_options& options, Token&& token) {
    return async_open(context.get_executor(), which, options, std::forward<Token>(token));
}
template <detail::execution_context Context, detail::names_a_device Which,
          detail::completion_token<detail::open_signature> Token>
auto async_open(Context& context, const Which& which, Token&& token) {
    return async_open(context.get_executor(), which, open_options{}, std::forward<Token>(token));
}

} // namespace ivshmem::asio
