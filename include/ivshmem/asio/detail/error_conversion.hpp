// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/export.hpp>

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>

#include <system_error>

namespace ivshmem::asio::detail {

/// Converts an error for a completion handler.
///
/// Boost wraps the codes of the standard library's system and generic category: a wrapped
/// ECONNRESET does not compare equal to boost::asio::error::connection_reset. Those two become
/// Boost's own. Other codes stay wrapped, and compare equal to ivshmem::errc.
[[nodiscard]] inline boost::system::error_code to_boost(const std::error_code& ec) noexcept {
    if (!ec)
        return {};
    if (ec.category() == std::system_category())
        return {ec.value(), boost::system::system_category()};
    if (ec.category() == std::generic_category())
        return {ec.value(), boost::system::generic_category()};
    return ec;
}

} // namespace ivshmem::asio::detail
