// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/channel_operation.hpp>
#include <ivshmem/asio/detail/requirements.hpp>
#include <ivshmem/asio/detail/topic_reader_state.hpp>
#include <ivshmem/asio/slot.hpp>
#include <ivshmem/error.hpp>
#include <ivshmem/topic_reader.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace ivshmem::asio {

/// Reads a topic on an event loop: ivshmem::topic_reader, which waits.
///
/// Its operations wait for the writer to come, and for its messages. There is no
/// asio::topic_writer, because publishing never waits: create an ivshmem::topic_writer in
/// slot::next_layer().
///
/// After errc::topic_closed, peer_lost or topic_poisoned all operations fail with that error until
/// reopen(). Messages that an ended topic still has are read first.
///
/// All operations: regardless of whether they complete immediately or not, the completion handler
/// will not be invoked from within the initiating function. Operations complete in the order in
/// which they were started. They complete with boost::asio::error::operation_aborted after
/// cancel(), close() or destruction; with errc::closed, slot_lost, forked, and with
/// errc::device_removed if the device goes away, and with std::errc::not_enough_memory if a message
/// does not fit into memory, which is lost then. Per-operation cancellation: terminal, partial and
/// total; it loses no message.
///
/// A reader that waits costs nothing until it is rung, except for the rechecks of waiting_options.
///
/// @par Thread Safety
/// @e Distinct @e objects: Safe, if their slots are distinct. @e Shared @e objects: Unsafe.
template <typename Executor = boost::asio::any_io_executor>
class basic_topic_reader {
  public:
    using executor_type = Executor;

    template <typename Other>
    struct rebind_executor {
        using other = basic_topic_reader<Other>;
    };

    /// Not open: operations complete with errc::closed.
    explicit basic_topic_reader(const Executor& executor) : executor_{executor} {}
    /// Opens a topic of any other slot. It need not exist yet.
    /// @throws error as ivshmem::topic_reader::open(), and errc::closed if the slot was closed or
    /// moved from.
    basic_topic_reader(const basic_slot<Executor>& in, std::string_view name,
                       const topic_reader_options& options = {})
        : executor_{in.get_executor()}, state_{std::make_shared<state_type>(
                                            detail::checked(in.hub(), {}), name, options)} {}

    /// A moved-from reader keeps its executor and is not open.
    basic_topic_reader(basic_topic_reader&& other) noexcept
        : executor_{other.executor_}, state_{std::move(other.state_)} {}
    basic_topic_reader& operator=(basic_topic_reader&& other) noexcept {
        if (this != &other) {
            close();
            executor_ = other.executor_;
            state_ = std::move(other.state_);
        }
        return *this;
    }
    /// As close().
    ~basic_topic_reader() { close(); }

    [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }
    [[nodiscard]] bool is_open() const noexcept { return state_ && state_->reader.is_open(); }
    /// The reader itself: its facts, and the calls that do not wait.
    /// @pre The reader was opened, and was not moved from since.
    [[nodiscard]] ivshmem::topic_reader& next_layer() noexcept { return state_->reader; }
    [[nodiscard]] const ivshmem::topic_reader& next_layer() const noexcept {
        return state_->reader;
    }

    /// As ivshmem::topic_reader::reopen(). @throws error as that, and errc::closed.
    void reopen() {
        if (!state_)
            throw error{errc::closed, "topic: reopened, but never opened"};
        state_->reader.reopen();
        state_->reading.open();
    }
    void reopen(std::error_code& ec) {
        ec = errc::closed;
        if (!state_)
            return;
        state_->reader.reopen(ec);
        state_->reading.open();
    }
    /// Aborts the operations under way and closes the reader.
    void close() noexcept {
        if (!state_)
            return;
        cancel();
        state_->reader.close();
    }
    /// Aborts the operations under way.
    void cancel() noexcept {
        if (state_)
            state_->abort();
    }

    /// Reads the next message into a vector, which is resized to it and must stay valid until the
    /// operation completes.
    /// @par Completion Signature
    /// @code void(boost::system::error_code, ivshmem::topic_message) @endcode
    template <detail::completion_token<void(boost::system::error_code, topic_message)> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_read(std::vector<std::byte>& into, Token&& token = Token{}) {
        return start([to = &into](ivshmem::topic_reader& from,
                                  std::error_code& ec) { return from.try_read(*to, ec); },
                     std::forward<Token>(token));
    }
    /// Reads the newest message into a vector, as soon as there is one that was not read yet; those
    /// before it count as skipped. The first operation also returns a message that was there before
    /// the reader.
    /// @par Completion Signature
    /// @code void(boost::system::error_code, ivshmem::topic_message) @endcode
    template <detail::completion_token<void(boost::system::error_code, topic_message)> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_latest(std::vector<std::byte>& into, Token&& token = Token{}) {
        return start([to = &into](ivshmem::topic_reader& from,
                                  std::error_code& ec) { return from.try_read_latest(*to, ec); },
                     std::forward<Token>(token));
    }
    /// Waits for the next message without copying it: completes with a view, as
    /// ivshmem::topic_reader::try_view(). Check it with next_layer().still_valid() after use.
    /// @par Completion Signature
    /// @code void(boost::system::error_code, ivshmem::topic_message) @endcode
    template <detail::completion_token<void(boost::system::error_code, topic_message)> Token =
                  boost::asio::default_completion_token_t<Executor>>
    auto async_view(Token&& token = Token{}) {
        return start(
            [](ivshmem::topic_reader& from, std::error_code& ec) { return from.try_view(ec); },
            std::forward<Token>(token));
    }

  private:
    using state_type = detail::topic_reader_state<Executor>;

    template <typename Read, typename Token>
    auto start(Read read, Token&& token) {
        return detail::async_start(executor_, state_, detail::topic_attempt<Read>{std::move(read)},
                                   std::forward<Token>(token));
    }

    Executor executor_;
    std::shared_ptr<state_type> state_; ///< empty: not opened, or moved from
};

using topic_reader = basic_topic_reader<>;

} // namespace ivshmem::asio
