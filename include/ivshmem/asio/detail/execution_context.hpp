// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <boost/asio/execution_context.hpp>

#include <concepts>

namespace ivshmem::asio::detail {

/// An execution context, for functions that take one instead of an executor.
template <typename T>
concept execution_context = std::derived_from<T, boost::asio::execution_context>;

} // namespace ivshmem::asio::detail
