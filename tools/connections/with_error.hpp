// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace connections {

/// The completion token with which co_await returns the error code instead of throwing it.
inline constexpr auto with_error = boost::asio::as_tuple(boost::asio::use_awaitable);

} // namespace connections
