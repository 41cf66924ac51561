// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/error_conversion.hpp>
#include <ivshmem/error.hpp>

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/system/error_code.hpp>

#include <utility>

namespace ivshmem::asio::detail {

/// What an I/O object and its operations share. The operations keep it alive, so that the object
/// may be moved or destroyed while they are under way.
template <typename Source, typename Executor>
struct wait_state {
    explicit wait_state(const Executor& executor) : descriptor{executor} {}

    /// A duplicate of the source's descriptor: an event loop knows each number once.
    boost::asio::posix::basic_stream_descriptor<Executor> descriptor;
    Source source;
    /// What a wait completes with while the descriptor is not open.
    boost::system::error_code not_open{to_boost(errc::closed)};
    /// Grows with each close() and cancel(): an operation of an older epoch is aborted.
    unsigned epoch = 0;
};

} // namespace ivshmem::asio::detail
