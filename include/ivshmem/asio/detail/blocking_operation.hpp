// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/error_conversion.hpp>
#include <ivshmem/detail/descriptors.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

#include <unistd.h>

namespace ivshmem::asio::detail {

/// A call that runs on another thread, and its result. The thread and the operation share
/// ownership, so that either may end first.
template <typename Call>
class blocking_call {
  public:
    using result_type = std::invoke_result_t<Call&, std::error_code&>;

    blocking_call(Call call, std::error_code& ec)
        : call_{std::move(call)}, finished_fd_{ivshmem::detail::create_eventfd(ec)} {}
    blocking_call(const blocking_call&) = delete;
    blocking_call& operator=(const blocking_call&) = delete;
    ~blocking_call() {
        if (finished_fd_ >= 0)
            ::close(finished_fd_);
    }

    /// An eventfd that becomes readable when the call has returned.
    [[nodiscard]] int finished_fd() const noexcept { return finished_fd_; }

    void run() noexcept {
        try {
            result_ = call_(error_);
        } catch (const std::system_error& e) {
            error_ = e.code();
        } catch (const std::exception&) {
            error_ = std::make_error_code(std::errc::not_enough_memory);
        }
        finished_.store(true, std::memory_order_release);
        ivshmem::detail::add_to_eventfd(finished_fd_);
    }

    /// @pre finished_fd() was readable.
    result_type take(std::error_code& ec) {
        static_cast<void>(finished_.load(std::memory_order_acquire));
        ec = error_;
        return std::move(result_);
    }

  private:
    Call call_;
    result_type result_{};
    std::error_code error_;
    std::atomic<bool> finished_ = false;
    int finished_fd_;
};

/// The composed operation that runs a call on Asio's system executor and waits for its end.
///
/// The handler waits in the event loop, on an eventfd: the thread never touches it. So the loop
/// counts the operation as work, cancels it at once, and destroys the handler if the context ends
/// first, while the thread runs the call to its end and destroys the result.
template <typename Call, typename Finish, typename Executor>
class blocking_operation {
  public:
    using result_type = typename blocking_call<Call>::result_type;
    using value_type = std::invoke_result_t<Finish&, result_type, std::error_code&>;

    blocking_operation(const Executor& executor, Call call, Finish finish)
        : executor_{executor}, call_{std::move(call)}, finish_{std::move(finish)} {}

    template <typename Self>
    void operator()(Self& self) {
        if (started_) // posted through the executor after a failure to start
            return self.complete(to_boost(error_), value_type{});
        started_ = true;
        self.reset_cancellation_state(boost::asio::enable_total_cancellation());
        start();
        if (error_) {
            const Executor executor = executor_; // copied, because executor_ moves away with self
            return boost::asio::post(executor, std::move(self));
        }
        auto& descriptor = *descriptor_; // a reference, because descriptor_ moves away with self
        descriptor.async_wait(boost::asio::posix::descriptor_base::wait_read, std::move(self));
    }

    template <typename Self>
    void operator()(Self& self, const boost::system::error_code& waited) {
        descriptor_.reset();
        if (waited)
            return self.complete(waited, value_type{});
        if (self.cancelled() != boost::asio::cancellation_type::none)
            return self.complete(boost::asio::error::operation_aborted, value_type{});
        result_type result = running_->take(error_);
        running_.reset();
        value_type value{};
        if (!error_)
            value = finish_(std::move(result), error_);
        self.complete(to_boost(error_), std::move(value));
    }

  private:
    using descriptor_type = boost::asio::posix::basic_stream_descriptor<Executor>;

    void start() {
        running_ = std::make_shared<blocking_call<Call>>(std::move(call_), error_);
        if (error_)
            return;
        // A duplicate, because the thread may signal after the operation has ended.
        const int duplicate =
            ivshmem::detail::duplicate_descriptor(running_->finished_fd(), error_);
        if (error_)
            return;
        boost::system::error_code failed;
        descriptor_ = std::make_unique<descriptor_type>(executor_);
        descriptor_->assign(duplicate, failed);
        if (failed) {
            ::close(duplicate);
            error_ = failed;
            return;
        }
        try {
            boost::asio::post(boost::asio::system_executor{},
                              [running = running_] { running->run(); });
        } catch (const boost::system::system_error& e) { // no thread could be started
            error_ = e.code();
        }
    }

    Executor executor_;
    Call call_;
    Finish finish_;
    std::shared_ptr<blocking_call<Call>> running_;
    std::unique_ptr<descriptor_type> descriptor_;
    std::error_code error_;
    bool started_ = false;
};

/// Runs `call(std::error_code&)` on a thread of Asio's system executor. Then calls
/// `finish(result, std::error_code&)`, which makes the value, on the executor of the operation, and
/// completes with void(boost::system::error_code, value).
///
/// Both results must have a default constructor. An exception of `call` becomes an error.
/// Cancellation of all three types completes with operation_aborted at once; the result of `call`
/// is then destroyed on the thread.
template <typename Executor, typename Call, typename Finish, typename Token>
auto async_blocking(const Executor& executor, Call call, Finish finish, Token&& token) {
    using operation = blocking_operation<Call, Finish, Executor>;
    return boost::asio::async_compose<Token, void(boost::system::error_code,
                                                  typename operation::value_type)>(
        operation{executor, std::move(call), std::move(finish)}, token, executor);
}

} // namespace ivshmem::asio::detail
