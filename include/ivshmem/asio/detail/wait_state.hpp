// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <ivshmem/asio/detail/error_conversion.hpp>
#include <ivshmem/detail/descriptors.hpp>
#include <ivshmem/error.hpp>

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/posix/descriptor_base.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include <unistd.h>

namespace ivshmem::asio::detail {

/// The state that an I/O object and its operations share. The operations keep it alive, so that the
/// object may be moved or destroyed while they are under way.
///
/// The operations wait for the source's fd(). If the source has an attention_fd(), one wait watches
/// it for all operations: when it polls readable, they wake, take and wait again. Every wait counts
/// as work, so the watch ends with the last operation. It continues if a handler starts the next
/// operation, because an operation leaves its place only after its handler has run; so no ring pays
/// for the watch.
///
/// The watch belongs to no operation: it runs on the object's executor and uses nothing of a
/// handler. So it may run beside the user's calls, and the mutex guards the descriptors. The mutex
/// is recursive: a handler that Asio destroys within a call leaves its place.
template <typename Source, typename Executor>
class wait_state : public std::enable_shared_from_this<wait_state<Source, Executor>> {
  public:
    explicit wait_state(const Executor& executor) : descriptor_{executor}, attention_{executor} {}

    /// An operation under way. The watch ends with the last place.
    class place {
      public:
        explicit place(std::shared_ptr<wait_state> in) : in_{std::move(in)} {
            const std::lock_guard lock{in_->mutex_};
            ++in_->places_;
        }
        place(place&&) noexcept = default;
        place& operator=(place&&) = delete;
        ~place() {
            if (in_)
                in_->leave();
        }

      private:
        std::shared_ptr<wait_state> in_;
    };

    void open(Source source, std::error_code& ec) {
        const std::lock_guard lock{mutex_}; // the watch of an earlier open() may still end
        assign(descriptor_, source.fd(ec), ec);
        if constexpr (requires { source.attention_fd(); })
            if (const int fd = source.attention_fd(); !ec && fd >= 0)
                assign(attention_, fd, ec);
        if (ec)
            close();
        not_open_ = to_boost(ec ? ec : make_error_code(errc::closed));
        source_ = std::move(source);
    }
    void close() noexcept {
        ++epoch_;
        boost::system::error_code ignored; // the descriptors are gone in any case
        const std::lock_guard lock{mutex_};
        descriptor_.close(ignored);
        attention_.close(ignored);
        source_ = {};
        not_open_ = to_boost(errc::closed);
    }
    void cancel() noexcept {
        ++epoch_;
        boost::system::error_code ignored; // nothing was under way
        const std::lock_guard lock{mutex_};
        descriptor_.cancel(ignored);
    }

    [[nodiscard]] bool is_open() const noexcept { return descriptor_.is_open(); }
    /// The error with which a wait completes while the state is not open.
    [[nodiscard]] const boost::system::error_code& not_open() const noexcept { return not_open_; }
    /// Grows with each close() and cancel(): an operation of an older epoch is aborted.
    [[nodiscard]] unsigned epoch() const noexcept { return epoch_; }
    [[nodiscard]] auto take(std::error_code& ec) { return source_.take(ec); }
    [[nodiscard]] bool has_attention() const noexcept { return attention_.is_open(); }

    /// Calls `handler` when there may be something to take: without an error if the source's
    /// descriptor polls readable; with operation_aborted if the attention_fd() polls readable, or
    /// if the operation was cancelled.
    template <typename Handler>
    void wait(Handler&& handler) {
        const std::lock_guard lock{mutex_};
        if (has_attention())
            watch();
        descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                               std::forward<Handler>(handler));
    }

  private:
    using descriptor_type = boost::asio::posix::basic_stream_descriptor<Executor>;

    /// The handler of the watch, which ends it even if the handler is destroyed without a call.
    class watcher {
      public:
        explicit watcher(std::shared_ptr<wait_state> of) : of_{std::move(of)} {}
        watcher(watcher&&) noexcept = default;
        watcher& operator=(watcher&&) = delete;
        ~watcher() {
            if (of_)
                of_->unwatch(false);
        }
        void operator()(const boost::system::error_code&) {
            std::exchange(of_, nullptr)->unwatch(true);
        }

      private:
        std::shared_ptr<wait_state> of_;
    };

    /// Assigns a duplicate, because an event loop accepts each descriptor number once.
    static void assign(descriptor_type& to, int fd, std::error_code& ec) {
        const int duplicate = ec ? -1 : ivshmem::detail::duplicate_descriptor(fd, ec);
        if (ec)
            return;
        boost::system::error_code failed;
        to.assign(duplicate, failed);
        if (failed) {
            ::close(duplicate);
            ec = failed;
        }
    }

    void watch() {
        if (watching_)
            return;
        watching_ = true; // until the watcher is gone
        attention_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                              watcher{this->shared_from_this()});
    }
    void unwatch(bool wake) noexcept {
        const std::lock_guard lock{mutex_};
        watching_ = false;
        boost::system::error_code ignored; // nothing was under way
        if (wake && places_ != 0)
            descriptor_.cancel(ignored);
    }
    void leave() noexcept {
        const std::lock_guard lock{mutex_};
        boost::system::error_code ignored; // nothing was under way
        if (--places_ == 0 && watching_)
            attention_.cancel(ignored);
    }

    descriptor_type descriptor_;
    Source source_;
    boost::system::error_code not_open_{to_boost(errc::closed)};
    unsigned epoch_ = 0;

    std::recursive_mutex mutex_;
    descriptor_type attention_;
    std::size_t places_ = 0;
    bool watching_ = false;
};

} // namespace ivshmem::asio::detail
