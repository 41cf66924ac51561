// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/stream.hpp>

#include <boost/asio/append.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/websocket/teardown.hpp>

#include <utility>

/// @file
/// The functions that the WebSockets of Boost.Beast need for a stream that Beast does not know.
/// Beast finds them by the namespace of the stream; include this header wherever a
/// boost::beast::websocket::stream<ivshmem::asio::stream> is used, also with TLS in between.
namespace ivshmem::asio {

/// Ends a stream after the closing handshake of the WebSocket: no data is left to read.
template <typename Executor>
void teardown(boost::beast::role_type, basic_stream<Executor>& s, boost::beast::error_code& ec) {
    ec = {};
    s.shutdown();
}

/// As teardown(). The handler is called later, never from within this function, and keeps its
/// associated executor, allocator and cancellation slot.
template <typename Executor, typename Handler>
void async_teardown(boost::beast::role_type, basic_stream<Executor>& s, Handler&& handler) {
    s.shutdown();
    const auto executor = boost::asio::get_associated_executor(handler, s.get_executor());
    boost::asio::post(
        executor, boost::asio::append(std::forward<Handler>(handler), boost::beast::error_code{}));
}

/// Closes the stream at once, because the other side did not answer in time.
template <typename Executor>
void beast_close_socket(basic_stream<Executor>& s) {
    s.close();
}

} // namespace ivshmem::asio
