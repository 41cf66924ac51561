// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/channel_event.hpp>
#include <ivshmem/asio/detail/channel_attempts.hpp>
#include <ivshmem/asio/detail/channel_operation.hpp>
#include <ivshmem/asio/detail/channel_state.hpp>
#include <ivshmem/asio/detail/execution_context.hpp>
#include <ivshmem/asio/detail/requirements.hpp>
#include <ivshmem/asio/slot.hpp>
#include <ivshmem/channel.hpp>
#include <ivshmem/error.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace ivshmem::asio {

/// Messages to and from one peer, reliable and in order, on an event loop.
///
/// Any number of operations may be under way. Operations of one kind complete in the order in which
/// they were started. Operations that start before the peer has connected wait for it.
///
/// After errc::channel_reset, channel_closed, channel_poisoned, channel_rejected or peer_lost all
/// operations fail with that error until reopen(): no message for one incarnation of the peer is
/// sent to the next. Messages that a closed or lost channel still has are received first.
///
/// All operations: regardless of whether they complete immediately or not, the completion handler
/// will not be invoked from within the initiating function. They complete with
/// boost::asio::error::operation_aborted after cancel(), close() or destruction; with errc::closed,
/// slot_lost, forked, and with errc::device_removed if the device goes away. Per-operation
/// cancellation: terminal, partial and total; it loses no message and sends none in part. An
/// operation whose handler is destroyed without being called, for example because its execution
/// context has ended, counts as cancelled.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe, if their slots are distinct. @e Shared @e objects: Unsafe.
template <typename Executor = boost::asio::any_io_executor>
class basic_channel {
  public:
    using executor_type = Executor;

    template <typename Other>
    struct rebind_executor {
        using other = basic_channel<Other>;
    };

    /// Not open: operations complete with errc::closed.
    explicit basic_channel(const Executor& executor) : executor_{executor} {}
    explicit basic_channel(detail::execution_context auto& context)
        : executor_{context.get_executor()} {}
    /// Opens a lane to another slot.
    /// @param to The slot of the other side.
    /// @throws error as ivshmem::channel::open(), errc::vector_out_of_range if the options name
    /// another vector than the slot's, and errc::closed if the slot was closed or moved from.
    basic_channel(const basic_slot<Executor>& from, std::uint32_t to, std::uint32_t lane,
                  const channel_options& options = {})
        : basic_channel{detail::checked(from.hub(), options), to, lane, options} {}
    /// For acceptors and connectors: takes a channel of the hub's slot.
    basic_channel(const std::shared_ptr<detail::hub<Executor>>& in, ivshmem::channel opened)
        : executor_{in->get_executor()}, state_{
                                             std::make_shared<state_type>(in, std::move(opened))} {}

    /// A moved-from channel keeps its executor and is not open.
    basic_channel(basic_channel&& other) noexcept
        : executor_{other.executor_}, state_{std::move(other.state_)} {}
    basic_channel& operator=(basic_channel&& other) noexcept {
        if (this != &other) {
            close();
            executor_ = other.executor_;
            state_ = std::move(other.state_);
        }
        return *this;
    }
    /// As close().
    ~basic_channel() { close(); }

    [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }
    [[nodiscard]] bool is_open() const noexcept { return state_ && state_->channel.is_open(); }

    /// The channel itself: its facts, and the calls that do not wait. If the doorbell of a message
    /// that is sent there gets lost, it is rung again only while an operation waits here.
    /// @pre The channel was opened, and was not moved from since.
    [[nodiscard]] ivshmem::channel& next_layer() noexcept { return state_->channel; }
    [[nodiscard]] const ivshmem::channel& next_layer() const noexcept { return state_->channel; }

    /// As ivshmem::channel::reopen(). Operations under way complete with errc::channel_reset,
    /// except async_connect() and async_next_event(), which continue. If the channel was never
    /// connected, all operations continue.
    /// @throws error as that, and errc::closed.
    void reopen() {
        if (!state_)
            throw error{errc::closed, "channel: reopened, but never opened"};
        const auto before = state_->channel.state();
        state_->channel.reopen();
        state_->reopened(before);
    }
    void reopen(std::error_code& ec) {
        if (!state_) {
            ec = errc::closed;
            return;
        }
        const auto before = state_->channel.state();
        state_->channel.reopen(ec);
        if (!ec)
            state_->reopened(before);
    }
    /// Sends nothing more: operations that wait for room complete with errc::closed. See
    /// async_drain().
    void finish() noexcept {
        if (!state_)
            return;
        state_->channel.finish();
        state_->sending.open();
    }
    /// Aborts the operations under way and closes, as ivshmem::channel::close().
    void close() noexcept {
        if (!state_)
            return;
        cancel();
        state_->channel.close();
    }
    /// Aborts the operations under way.
    void cancel() noexcept {
        if (state_)
            state_->abort();
    }

    /// Waits until the peer has opened its side.
    /// @par Completion Signature
    /// @code void(boost::system::error_code) @endcode
    template <detail::completion_token<void(boost::system::error_code)> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_connect(Token&& token = Token{}) {
        return detail::async_start(executor_, state_, detail::connect_attempt{},
                                   std::forward<Token>(token));
    }
    /// Sends a message, gathered from buffers, as soon as there is room. It may be empty. On
    /// completion the message is in the shared memory; use async_drain() to wait until the peer has
    /// taken it.
    /// @par Completion Signature
    /// @code void(boost::system::error_code, std::size_t size) @endcode
    /// size is the size of the message, 0 with an error.
    /// @par Errors
    /// errc::message_too_large: longer than the peer accepts.
    template <detail::const_buffer_sequence ConstBufferSequence,
              detail::completion_token<void(boost::system::error_code, std::size_t)> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_send(const ConstBufferSequence& buffers, Token&& token = Token{}) {
        return detail::async_start(executor_, state_,
                                   detail::send_attempt<ConstBufferSequence>{buffers},
                                   std::forward<Token>(token));
    }
    /// Receives a message, scattered into buffers. If the handler is destroyed instead of called,
    /// as the end of its execution context does, a message that was partly received is lost.
    /// @par Completion Signature
    /// @code void(boost::system::error_code, std::size_t size) @endcode
    /// @par Errors
    /// errc::buffer_too_small: the message stays, and next_layer().next_size() returns its length.
    /// errc::channel_closed after the last message.
    template <detail::mutable_buffer_sequence MutableBufferSequence,
              detail::completion_token<void(boost::system::error_code, std::size_t)> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_receive(const MutableBufferSequence& buffers, Token&& token = Token{}) {
        return detail::async_start(executor_, state_,
                                   detail::receive_attempt<MutableBufferSequence>{buffers},
                                   std::forward<Token>(token));
    }
    /// Receives a message into a vector, which is resized once all of the message has arrived.
    /// Until then its parts are kept in memory that grows with the bytes that arrive
    /// (slot_options::memory_for_parts). The vector must stay valid until the operation completes.
    /// @par Completion Signature
    /// @code void(boost::system::error_code, std::size_t size) @endcode
    /// @par Errors
    /// errc::channel_closed after the last message.
    template <detail::completion_token<void(boost::system::error_code, std::size_t)> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_receive(std::vector<std::byte>& into, Token&& token = Token{}) {
        return detail::async_start(executor_, state_, detail::whole_attempt{&into},
                                   std::forward<Token>(token));
    }
    /// Waits until there is a message, and returns its length; next_layer().try_receive(), peek()
    /// or receive_batch() then gets it.
    /// @par Completion Signature
    /// @code void(boost::system::error_code, std::size_t size) @endcode
    template <detail::completion_token<void(boost::system::error_code, std::size_t)> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_wait(Token&& token = Token{}) {
        return detail::async_start(executor_, state_, detail::readable_attempt{},
                                   std::forward<Token>(token));
    }
    /// Waits until the peer has taken all messages that were sent.
    /// @par Completion Signature
    /// @code void(boost::system::error_code) @endcode
    template <detail::completion_token<void(boost::system::error_code)> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_drain(Token&& token = Token{}) {
        return detail::async_start(executor_, state_, detail::drain_attempt{},
                                   std::forward<Token>(token));
    }
    /// Waits for the next change of the channel's state.
    /// @par Completion Signature
    /// @code void(boost::system::error_code, ivshmem::asio::channel_event) @endcode
    template <detail::completion_token<void(boost::system::error_code, channel_event)> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_next_event(Token&& token = Token{}) {
        return detail::async_start(executor_, state_, detail::event_attempt{},
                                   std::forward<Token>(token));
    }

    /// For streams: the state that the operations share.
    using state_type = detail::channel_state<Executor>;
    [[nodiscard]] const std::shared_ptr<state_type>& state() const noexcept { return state_; }

  private:
    basic_channel(const std::shared_ptr<detail::hub<Executor>>& in, std::uint32_t to,
                  std::uint32_t lane, const channel_options& options)
        : basic_channel{in, ivshmem::channel::open(in->slot, to, lane, options)} {}

    Executor executor_;
    std::shared_ptr<state_type> state_; ///< empty: not opened, or moved from
};

using channel = basic_channel<>;

} // namespace ivshmem::asio
