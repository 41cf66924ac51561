// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include <sys/types.h>

namespace connections {

/// The local end of a connection: a stream socket, or a descriptor to read from and one to write
/// to. Nothing here waits but the async functions.
class end_point {
  public:
    using executor = boost::asio::any_io_executor;

    /// Takes a connected stream socket.
    static end_point of_socket(const executor& on, int socket);
    /// Uses duplicates of two descriptors, such as 0 and 1, and restores their flags in the end.
    /// After the end of the output, that descriptor leads to /dev/null.
    /// @throws std::system_error
    static end_point of_streams(const executor& on, int input, int output);

    end_point(end_point&& other) noexcept;
    end_point& operator=(end_point&&) = delete;
    ~end_point();

    /// As read(2), without waiting: -1 with EAGAIN if there is nothing.
    ssize_t read(std::span<std::byte> into);
    /// As write(2), without waiting and without SIGPIPE: EPIPE if the reader has gone, but may have
    /// written something before.
    ssize_t write(std::span<const std::byte> bytes);
    /// Lets the reader of what was written see the end.
    void finish_output();
    /// @param abort The other end of a TCP socket sees a reset.
    void close(bool abort);

    [[nodiscard]] bool is_socket() const noexcept { return !output_; }

    /// Calls handler(error_code) when read() may return something.
    template <typename Handler>
    void async_wait_input(Handler&& handler) {
        wait(input_, boost::asio::posix::descriptor_base::wait_read,
             std::forward<Handler>(handler));
    }
    template <typename Handler>
    void async_wait_output(Handler&& handler) {
        wait(output_ ? *output_ : input_, boost::asio::posix::descriptor_base::wait_write,
             std::forward<Handler>(handler));
    }

  private:
    using descriptor = boost::asio::posix::stream_descriptor;

    end_point(descriptor input, std::optional<descriptor> output)
        : input_{std::move(input)}, output_{std::move(output)} {}

    template <typename Handler>
    static void wait(descriptor& on, boost::asio::posix::descriptor_base::wait_type what,
                     Handler&& handler) {
        on.async_wait(
            what, [handler = std::forward<Handler>(handler)](boost::system::error_code ec) mutable {
                if (ec == boost::asio::error::operation_not_supported)
                    ec.clear(); // a file, which epoll does not take: it never waits
                handler(ec);
            });
    }

    descriptor input_;
    std::optional<descriptor> output_; ///< empty: a socket, which input_ is
    bool is_unix_ = false;
    int input_flags_ = -1; ///< to restore; negative: none
    int output_flags_ = -1;
    int lent_output_ = -1; ///< the descriptor that output_ duplicates
};

} // namespace connections
