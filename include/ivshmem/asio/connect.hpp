// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/channel.hpp>
#include <ivshmem/asio/detail/channel_operation.hpp>
#include <ivshmem/asio/detail/connector_state.hpp>
#include <ivshmem/asio/detail/requirements.hpp>
#include <ivshmem/asio/slot.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/system/error_code.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace ivshmem::asio {

/// The peers that are asked for a service, and the options of the channel.
struct connect_options {
    std::optional<std::uint32_t> slot{}; ///< the slot that must offer the service; empty: any
    channel_options channel{};           ///< except `service` and `offered`
};

/// Connects to a service that a peer offers with an acceptor, on a lane that both sides have free.
/// Waits for the service to be offered, and to be accepted. The offers of a peer that is lost
/// (errc::peer_lost) do not count, so the operation goes on to another peer, or waits.
///
/// Regardless of whether the operation completes immediately or not, the completion handler will
/// not be invoked from within this function.
///
/// @par Completion Signature
/// @code void(boost::system::error_code, basic_channel<Executor>) @endcode
///
/// @par Errors
/// errc::bad_service_name, slot_out_of_range, lane_in_use (no lane is free); errc::closed if the
/// slot was closed; errc::slot_lost, device_removed.
///
/// @par Per-Operation Cancellation
/// terminal, partial and total: the request to the peer is withdrawn.
template <typename Executor,
          detail::completion_token<void(boost::system::error_code, basic_channel<Executor>)> Token =
              boost::asio::default_completion_token_t<Executor>>
auto async_connect(const basic_slot<Executor>& from, std::string name,
                   const connect_options& options, Token&& token = Token{}) {
    using state_type = detail::connector_state<Executor>;
    std::shared_ptr<state_type> state; // empty if the slot was moved from
    if (from.hub())
        state = std::make_shared<state_type>(from.hub(), std::move(name), options.slot,
                                             options.channel);
    return detail::async_start(
        from.get_executor(), state,
        detail::connector_attempt<Executor>{basic_channel<Executor>{from.get_executor()}},
        std::forward<Token>(token));
}
/// The same at any peer, with default options.
template <typename Executor,
          detail::completion_token<void(boost::system::error_code, basic_channel<Executor>)> Token =
              boost::asio::default_completion_token_t<Executor>>
requires(!std::is_same_v<std::remove_cvref_t<Token>, connect_options>) auto async_connect(
    const basic_slot<Executor>& from, std::string name, Token&& token = Token{}) {
    return async_connect(from, std::move(name), connect_options{}, std::forward<Token>(token));
}

} // namespace ivshmem::asio
