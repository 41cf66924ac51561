// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/claim_operation.hpp>
#include <ivshmem/asio/detail/execution_context.hpp>
#include <ivshmem/asio/detail/requirements.hpp>
#include <ivshmem/asio/slot.hpp>
#include <ivshmem/slot_claim.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/is_executor.hpp>
#include <boost/system/error_code.hpp>

#include <utility>

namespace ivshmem::asio {

namespace detail {

template <typename Executor>
using claim_signature = void(boost::system::error_code, basic_slot<Executor>);

template <typename T>
concept slot_executor =
    boost::asio::is_executor<T>::value || boost::asio::execution::is_executor_v<T>;

template <typename Executor, typename Token>
auto async_claim(const Executor& executor, const device& of, const slot_options& options,
                 slot_claim::of what, Token&& token) {
    return boost::asio::async_compose<Token, claim_signature<Executor>>(
        claim_operation<Executor>{executor, of, options, what}, token, executor);
}

} // namespace detail

/// Claims a slot without blocking the event loop: as ivshmem::slot::claim(), but waits on a timer.
///
/// Regardless of whether the operation completes immediately or not, the completion handler will
/// not be invoked from within this function. The device may be moved, closed or destroyed
/// meanwhile.
///
/// @par Completion Signature
/// @code void(boost::system::error_code, basic_slot<Executor>) @endcode
/// The slot is closed if there is an error.
///
/// @par Errors
/// As ivshmem::slot::claim() and device::interrupt_fd().
///
/// @par Per-Operation Cancellation
/// terminal, partial and total: the claim is given up.
template <detail::slot_executor Executor,
          detail::completion_token<detail::claim_signature<Executor>> Token =
              boost::asio::default_completion_token_t<Executor>>
auto async_claim(const Executor& executor, const device& of, const slot_options& options,
                 Token&& token = Token{}) {
    return detail::async_claim(executor, of, options, slot_claim::of::one_slot,
                               std::forward<Token>(token));
}
/// The same for an execution context, such as boost::asio::io_context. The slot's executor is
/// any_io_executor.
template <detail::execution_context Context,
          detail::completion_token<detail::claim_signature<boost::asio::any_io_executor>> Token>
auto async_claim(Context& context, const device& of, const slot_options& options, Token&& token) {
    return detail::async_claim(boost::asio::any_io_executor{context.get_executor()}, of, options,
                               slot_claim::of::one_slot, std::forward<Token>(token));
}

/// Claims the lowest free slot, as ivshmem::slot::claim_free(); otherwise as async_claim().
template <detail::slot_executor Executor,
          detail::completion_token<detail::claim_signature<Executor>> Token =
              boost::asio::default_completion_token_t<Executor>>
auto async_claim_free(const Executor& executor, const device& of, const slot_options& options,
                      Token&& token = Token{}) {
    return detail::async_claim(executor, of, options, slot_claim::of::free_slot,
                               std::forward<Token>(token));
}
template <detail::execution_context Context,
          detail::completion_token<detail::claim_signature<boost::asio::any_io_executor>> Token>
auto async_claim_free(Context& context, const device& of, const slot_options& options,
                      Token&& token) {
    return detail::async_claim(boost::asio::any_io_executor{context.get_executor()}, of, options,
                               slot_claim::of::free_slot, std::forward<Token>(token));
}

} // namespace ivshmem::asio
