// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>

#include <type_traits>

/// The requirements of the initiating functions on their arguments, so that a wrong one fails at
/// the call.
namespace ivshmem::asio::detail {

/// A completion token for an operation with this completion signature. void stands for an omitted
/// token if the executor has no default one.
template <typename Token, typename Signature>
concept completion_token =
    !std::is_void_v<Token> && boost::asio::completion_token_for<Token, Signature>;

/// Bytes to read from: boost::asio::buffer(...) makes them from a string, an array or a vector.
template <typename T>
concept const_buffer_sequence = boost::asio::is_const_buffer_sequence<T>::value;

/// Room for bytes: boost::asio::buffer(...) makes it from a string, an array or a vector.
template <typename T>
concept mutable_buffer_sequence = boost::asio::is_mutable_buffer_sequence<T>::value;

} // namespace ivshmem::asio::detail
