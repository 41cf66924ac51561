// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/channel.hpp>
#include <ivshmem/asio/detail/channel_operation.hpp>
#include <ivshmem/asio/detail/execution_context.hpp>
#include <ivshmem/asio/detail/requirements.hpp>
#include <ivshmem/asio/detail/stream_attempts.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <utility>

namespace ivshmem::asio {

/// A stream of bytes over a channel: meets Asio's AsyncReadStream and AsyncWriteStream, so that
/// TLS, HTTP and other protocols on such streams run between VMs.
///
/// Both sides must be streams; how bytes are split into messages is an implementation detail. The
/// operations are those of a channel: any number of reads and writes may be under way, and they
/// complete in order. Most protocols need one of each.
///
/// @par Thread Safety
/// As basic_channel.
template <typename Executor = boost::asio::any_io_executor>
class basic_stream {
  public:
    using executor_type = Executor;
    using channel_type = basic_channel<Executor>;
    using lowest_layer_type = basic_stream;

    template <typename Other>
    struct rebind_executor {
        using other = basic_stream<Other>;
    };

    /// As the constructor of basic_channel.
    basic_stream(const basic_slot<Executor>& from, std::uint32_t to, std::uint32_t lane,
                 const channel_options& options = {})
        : channel_{from, to, lane, options} {}
    /// Not open: operations complete with errc::closed.
    explicit basic_stream(const Executor& executor) : channel_{executor} {}
    explicit basic_stream(detail::execution_context auto& context) : channel_{context} {}
    /// Over a channel from which nothing was received yet.
    explicit basic_stream(channel_type&& over) : channel_{std::move(over)} {}

    [[nodiscard]] executor_type get_executor() const noexcept { return channel_.get_executor(); }
    /// Not named next_layer(): code that descends to the lowest layer must stop at the stream.
    [[nodiscard]] channel_type& channel() noexcept { return channel_; }
    [[nodiscard]] const channel_type& channel() const noexcept { return channel_; }
    [[nodiscard]] lowest_layer_type& lowest_layer() noexcept { return *this; }
    [[nodiscard]] const lowest_layer_type& lowest_layer() const noexcept { return *this; }
    [[nodiscard]] bool is_open() const noexcept { return channel_.is_open(); }

    /// Writes no more: the peer reads to the end, then sees boost::asio::error::eof.
    void shutdown() noexcept { channel_.finish(); }
    /// As basic_channel::close().
    void close() noexcept { channel_.close(); }
    /// As basic_channel::cancel().
    void cancel() noexcept { channel_.cancel(); }

    /// As basic_channel::async_connect().
    template <detail::completion_token<void(boost::system::error_code)> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_connect(Token&& token = Token{}) {
        return channel_.async_connect(std::forward<Token>(token));
    }
    /// Reads the bytes that are available, at least one unless the buffers are empty.
    /// @par Completion Signature
    /// @code void(boost::system::error_code, std::size_t bytes) @endcode
    /// @par Errors
    /// boost::asio::error::eof after the last byte; else as basic_channel.
    template <detail::mutable_buffer_sequence MutableBufferSequence,
              detail::completion_token<void(boost::system::error_code, std::size_t)> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_read_some(const MutableBufferSequence& buffers, Token&& token = Token{}) {
        return detail::async_start(get_executor(), channel_.state(),
                                   detail::read_attempt<MutableBufferSequence>{buffers},
                                   std::forward<Token>(token));
    }
    /// Writes as much as there is room for, at least one byte unless the buffers are empty.
    /// @par Completion Signature
    /// @code void(boost::system::error_code, std::size_t bytes) @endcode
    /// @par Errors
    /// boost::asio::error::broken_pipe if the peer has stopped reading; else as basic_channel.
    template <detail::const_buffer_sequence ConstBufferSequence,
              detail::completion_token<void(boost::system::error_code, std::size_t)> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_write_some(const ConstBufferSequence& buffers, Token&& token = Token{}) {
        return detail::async_start(get_executor(), channel_.state(),
                                   detail::write_attempt<ConstBufferSequence>{buffers},
                                   std::forward<Token>(token));
    }

  private:
    channel_type channel_;
};

using stream = basic_stream<>;

} // namespace ivshmem::asio
